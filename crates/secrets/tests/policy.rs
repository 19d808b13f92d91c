//! What a policy costs a read that is answered from memory, and that no read gets past it.
#![cfg(feature = "policy")]
#![allow(unsafe_code, reason = "an allocator is unsafe by its trait")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends there")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;

use polysecrets::layers::{CacheConfig, PolicyConfig, RoleConfig};
use polysecrets::{ErrorKind, OpenContext, Operation, SecretProvider, SecretRef, Secrets};
use secrets_local::memory::{self, MemoryConfig};
use tokio::runtime::Builder;

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

/// The system's allocator, counting what this thread asks for.
struct Counting;

// SAFETY: it only passes on.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.with(|count| count.set(count.get() + 1));
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        COUNT.with(|count| count.set(count.get() + 1));
        // SAFETY: as the caller promises.
        unsafe { System.realloc(block, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const READS: u64 = 1000;

async fn provider() -> Arc<dyn SecretProvider> {
    let config = MemoryConfig::default();
    Arc::new(
        memory::open(config, OpenContext::new("main"))
            .await
            .unwrap(),
    )
}

fn policy(names: &str) -> PolicyConfig {
    let role = RoleConfig::new([Operation::Get, Operation::Put], [names]).unwrap();
    PolicyConfig::default()
        .with_role("all", role)
        .with_principal("alice", ["all"])
}

async fn handle(principal: &'static str, policy: Option<PolicyConfig>) -> Secrets {
    let builder = Secrets::builder()
        .provider("main", provider().await)
        .default_provider("main")
        .cache(CacheConfig::default())
        .principal(principal);
    match policy {
        Some(policy) => builder.policy(policy).build().unwrap(),
        None => builder.build().unwrap(),
    }
}

#[test]
fn a_hit_past_the_policy_takes_two_allocations_at_most() {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let secrets = handle("alice", Some(policy("db/*"))).await;
        secrets.put("db/password", "hunter2".into()).await.unwrap();
        let reference: SecretRef = "db/password".parse().unwrap();
        for _ in 0..10 {
            secrets.get(reference.clone()).await.unwrap();
        }
        let before = COUNT.get();
        for _ in 0..READS {
            secrets.get(reference.clone()).await.unwrap();
        }
        let each = (COUNT.get() - before) as f64 / READS as f64;
        assert!(each <= 2.0, "{each} allocations a hit");
        let stats = secrets.cache().unwrap().stats();
        assert!(stats.hits >= READS, "{stats:?}");
    });
}

#[test]
fn what_is_cached_is_denied_all_the_same_and_a_reload_counts_at_once() {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let secrets = handle("alice", Some(policy("db/*"))).await;
        secrets.put("db/password", "hunter2".into()).await.unwrap();
        secrets.get("db/password").await.unwrap();
        let config = secrets.config().clone();
        let turned = config.clone().with_policy(policy("api/*"));
        secrets
            .policy()
            .unwrap()
            .reload(turned.policy_source().unwrap())
            .unwrap();
        let error = secrets.get("db/password").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied);
        assert!(error.hint().unwrap().contains("role \"all\""));
        secrets
            .policy()
            .unwrap()
            .reload(config.policy_source().unwrap())
            .unwrap();
        secrets.get("db/password").await.unwrap();
        // One who has no role, on a handle of their own.
        let secrets = handle("bob", Some(policy("db/*"))).await;
        let error = secrets.get("db/password").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied);
        // Without a policy nobody is asked who they are.
        let secrets = handle("bob", None).await;
        let error = secrets.get("db/password").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
    });
}

#[test]
fn a_default_does_not_stand_in_for_what_is_denied() {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let secrets = handle("alice", Some(policy("db/*"))).await;
        let value = secrets.get("db/missing?default=x").await.unwrap();
        assert_eq!(value.expose_str().unwrap(), "x");
        let error = secrets.get("api/missing?default=x").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied);
        let error = secrets.get_or("api/missing", "x").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    });
}
