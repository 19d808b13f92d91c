//! Servers stop with the process that started them, unless it releases them.
#![expect(clippy::unwrap_used, reason = "a test panics when it cannot continue")]

use std::io::Write;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

struct Scene {
    folder: PathBuf,
    server: Child,
    guard: Child,
}

fn scene(name: &str, seconds: &str) -> Scene {
    let folder = std::env::temp_dir().join(format!("xtask-{name}-{}", std::process::id()));
    std::fs::create_dir_all(folder.join("data")).unwrap();
    let server = Command::new("sleep").arg(seconds).spawn().unwrap();
    // The new command line, by which the guard recognises the process, appears shortly after the spawn.
    let line = format!("/proc/{}/cmdline", server.id());
    while std::fs::read_to_string(&line).is_ok_and(|line| !line.contains(seconds)) {
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    let mut guard = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(["servers", "guard"])
        .arg(&folder)
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let pipe = guard.stdin.as_mut().unwrap();
    writeln!(pipe, "{} sleep {seconds}", server.id()).unwrap();
    Scene {
        folder,
        server,
        guard,
    }
}

#[test]
fn servers_stop_with_their_owner() {
    let mut scene = scene("guard-ends", "67");
    drop(scene.guard.stdin.take());
    assert!(scene.guard.wait().unwrap().success());
    assert!(!scene.server.wait().unwrap().success());
    assert!(!scene.folder.exists());
}

#[test]
fn released_servers_keep_running() {
    let mut scene = scene("guard-releases", "68");
    writeln!(scene.guard.stdin.take().unwrap(), "release").unwrap();
    assert!(scene.guard.wait().unwrap().success());
    assert!(scene.server.try_wait().unwrap().is_none());
    assert!(scene.folder.join("data").exists());
    scene.server.kill().unwrap();
    scene.server.wait().unwrap();
    std::fs::remove_dir_all(&scene.folder).unwrap();
}
