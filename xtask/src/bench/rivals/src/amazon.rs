//! AWS's own caching client, before a server that has one answer.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_secretsmanager::config::{BehaviorVersion, Builder, Credentials, Region};
use aws_secretsmanager_caching::SecretsManagerCachingClient;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::clients::{Client, name};
use crate::store::VALUE;

#[derive(Clone)]
pub(crate) struct Amazon {
    client: Arc<SecretsManagerCachingClient>,
    names: Arc<[String]>,
}

impl Amazon {
    pub(crate) async fn new(keys: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream));
            }
        });
        let config = Builder::new()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(Credentials::new("id", "secret", None, None, "bench"))
            .endpoint_url(format!("http://{address}"));
        let size = NonZeroUsize::new(10_000).expect("not zero");
        let ttl = Duration::from_secs(3600);
        let client = SecretsManagerCachingClient::from_builder(config, size, ttl, false)
            .await
            .expect("a client");
        let amazon = Self {
            client: Arc::new(client),
            names: (0..keys).map(name).collect(),
        };
        for key in 0..keys {
            assert_eq!(amazon.read(key).await, VALUE.len());
        }
        amazon
    }
}

impl Client for Amazon {
    async fn read(&self, key: usize) -> usize {
        let read = self
            .client
            .get_secret_value(&self.names[key], None, None, false)
            .await;
        read.ok()
            .and_then(|output| output.secret_string)
            .map_or(0, |text| text.len())
    }
}

/// Answers each request, which is taken to come in one piece.
async fn serve(mut stream: TcpStream) {
    let body = format!(
        r#"{{"ARN":"arn:aws:secretsmanager:us-east-1:123456789012:secret:a-AbCdEf","Name":"a","VersionId":"0d1f2c3b-4a59-4687-9b1c-0d1f2c3b4a59","SecretString":"{VALUE}","VersionStages":["AWSCURRENT"],"CreatedDate":1.7E9}}"#
    );
    let answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/x-amz-json-1.1\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut text = Vec::new();
    let mut piece = [0; 4096];
    while let Ok(read @ 1..) = stream.read(&mut piece).await {
        text.extend_from_slice(&piece[..read]);
        if is_whole(&text) {
            text.clear();
            if stream.write_all(answer.as_bytes()).await.is_err() {
                return;
            }
        }
    }
}

fn is_whole(request: &[u8]) -> bool {
    let Some(end) = request.windows(4).position(|four| four == b"\r\n\r\n") else {
        return false;
    };
    let head = String::from_utf8_lossy(&request[..end]).to_lowercase();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok())
        .unwrap_or(0);
    request.len() >= end + 4 + length
}
