//! Checks that the OpenAPI document of `api` contains an answer.

use reqwest::Client;
use serde_json::Value;
use tokio::sync::OnceCell;

/// The statuses that any operation may answer with: the head of the request contradicts itself (two hosts), or the
/// request timed out.
const OF_EVERY_OPERATION: [u16; 2] = [400, 408];

/// Panics if the document of the `api` at `base` has `method` and `path` but not this `status` among their answers; or
/// if it does not have them although they were answered.
pub(crate) async fn assert_documented(client: &Client, base: &str, method: &str, path: &str, status: u16) {
    static DOCUMENT: OnceCell<Value> = OnceCell::const_new();
    let path = path.split('?').next().unwrap_or_default();
    if method == "OPTIONS" || path == "/openapi.json" || path.starts_with("/docs") {
        return;
    }
    let document = DOCUMENT
        .get_or_init(|| async {
            let answer = client.get(format!("{base}/openapi.json")).send().await.unwrap();
            serde_json::from_str(&answer.text().await.unwrap()).unwrap()
        })
        .await;
    let paths = document["paths"].as_object().unwrap();
    // HEAD is GET without the body.
    let method = if method == "HEAD" { "get".to_owned() } else { method.to_lowercase() };
    let item = paths.iter().find(|(template, _)| fits(template, path)).map(|(_, item)| item);
    match item.and_then(|item| item.get(method)) {
        Some(operation) => {
            let is_known = operation["responses"].get(status.to_string()).is_some();
            assert!(is_known || OF_EVERY_OPERATION.contains(&status), "{path}: {status} is not a documented answer");
        }
        None => {
            let expected = if item.is_some() { 405 } else { 404 };
            // Requests of other sites are refused before routing.
            assert!(status == expected || status == 403, "{path}: {status} though the document does not have it");
        }
    }
}

fn fits(template: &str, path: &str) -> bool {
    let (template, path) = (template.split('/'), path.split('/'));
    template.clone().count() == path.clone().count()
        && template.zip(path).all(|(expected, part)| expected == part || expected.starts_with('{') && !part.is_empty())
}
