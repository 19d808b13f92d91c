//! Templates through a handle.
#![cfg(feature = "template")]

use std::sync::Arc;

use polysecrets::{Config, OpenContext, Secrets, Template};
use secrets_local::memory::{self, MemoryConfig};

#[tokio::test]
async fn a_handle_fetches_named_and_computed_keys() {
    let provider = memory::open(MemoryConfig::default(), OpenContext::new("main"))
        .await
        .unwrap();
    let secrets = Secrets::builder()
        .config(Config::default().with_default("main"))
        .provider("main", Arc::new(provider))
        .build()
        .unwrap();
    for index in 0..50 {
        let value = format!("v{index};").as_str().into();
        secrets.put(&*format!("k/{index}"), value).await.unwrap();
    }
    let template = Template::parse(
        "t.conf",
        "{{ secrets['k/7'] }}{% for i in range(50) %}{{ secrets['k/' ~ i] }}{% endfor %}{{ secrets.get('no', 'none') }}",
    )
    .unwrap();
    let rendered = secrets.render_template(&template, None).await.unwrap();
    let all = (0..50)
        .map(|index| format!("v{index};"))
        .collect::<String>();
    assert_eq!(*rendered, format!("v7;{all}none"));

    let template = Template::parse("t.conf", "x\n{{ secrets['go' ~ 'ne'] }}").unwrap();
    let error = secrets.render_template(&template, None).await.unwrap_err();
    assert_eq!(error.to_string(), "t.conf:2:1: secret not found: gone");
}
