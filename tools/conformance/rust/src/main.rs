//! Asks a running daemon through async-openai and prints a row of the table for each case. Requests and replies pass through the
//! crate's own types, so a member that it needs and does not get fails the case.
use async_openai::{
    config::OpenAIConfig,
    types::{
        chat::{CreateChatCompletionRequest, CreateChatCompletionResponse},
        responses::{CreateResponse, OutputItem, ResponseStreamEvent, SummaryPart},
    },
    Client,
};
use base64::{engine::general_purpose::STANDARD, Engine};
use futures::StreamExt;
use serde_json::{from_str, from_value, json, Value};
use std::{env, error::Error, fs, future::Future, process::ExitCode};

const INSTRUCT: &str = "qwen3-vl-instruct";
const THINKING: &str = "qwen3-vl-thinking";

type Outcome = Result<(), Box<dyn Error>>;

struct Suite {
    client: Client<OpenAIConfig>,
    failed: bool,
}

impl Suite {
    async fn case<F: Future<Output = Outcome>>(&mut self, name: &str, run: impl FnOnce(Client<OpenAIConfig>) -> F) {
        let result = match run(self.client.clone()).await {
            Ok(()) => "pass".into(),
            Err(e) => {
                self.failed = true;
                format!("FAIL: {}", e.to_string().replace(['|', '\n'], " "))
            }
        };
        println!("| async-openai | {name} | {result} |");
    }
}

fn picture(name: &str) -> Result<String, Box<dyn Error>> {
    let bytes = fs::read(format!("{}/{name}.png", env::var("CONFORMANCE_EXAMPLES")?))?;
    Ok(format!("data:image/png;base64,{}", STANDARD.encode(bytes)))
}

fn check(ok: bool, what: impl std::fmt::Debug) -> Outcome {
    if ok { Ok(()) } else { Err(format!("{what:?}").into()) }
}

async fn chat(client: &Client<OpenAIConfig>, request: Value) -> Result<CreateChatCompletionResponse, Box<dyn Error>> {
    let request: CreateChatCompletionRequest = from_value(request)?;
    Ok(client.chat().create(request).await?)
}

fn content(reply: &CreateChatCompletionResponse) -> &str {
    reply.choices[0].message.content.as_deref().unwrap_or("")
}

async fn text(client: Client<OpenAIConfig>) -> Outcome {
    let reply = chat(&client, json!({"model": INSTRUCT, "messages": [{"role": "user", "content": "Hello, who are you?"}]})).await?;
    check(!content(&reply).is_empty(), reply)
}

async fn stream(client: Client<OpenAIConfig>) -> Outcome {
    let request: CreateChatCompletionRequest =
        from_value(json!({"model": INSTRUCT, "messages": [{"role": "user", "content": "Hello, who are you?"}], "stream": true}))?;
    let mut chunks = client.chat().create_stream(request).await?;
    let mut said = String::new();
    while let Some(chunk) = chunks.next().await {
        for choice in chunk?.choices {
            said += choice.delta.content.as_deref().unwrap_or("");
        }
    }
    check(!said.is_empty(), said)
}

async fn image(client: Client<OpenAIConfig>) -> Outcome {
    let parts = json!([{"type": "image_url", "image_url": {"url": picture("number")?}}, {"type": "text", "text": "What is the number in the picture?"}]);
    let reply = chat(&client, json!({"model": INSTRUCT, "temperature": 0.0, "messages": [{"role": "user", "content": parts}]})).await?;
    check(content(&reply).contains("720"), reply)
}

async fn tools(client: Client<OpenAIConfig>) -> Outcome {
    let schema = json!({"type": "object", "properties": {"expression": {"type": "string"}}, "required": ["expression"]});
    let reply = chat(
        &client,
        json!({"model": INSTRUCT, "messages": [{"role": "user", "content": "How much is 530 * 634?"}], "tool_choice": "required",
               "tools": [{"type": "function", "function": {"name": "calculator", "parameters": schema}}]}),
    )
    .await?;
    let calls = serde_json::to_value(&reply.choices[0].message.tool_calls)?;
    let arguments: Value = from_str(calls[0]["function"]["arguments"].as_str().unwrap_or(""))?;
    check(arguments["expression"].is_string(), calls)
}

async fn structured(client: Client<OpenAIConfig>) -> Outcome {
    let schema = json!({"type": "object", "properties": {"sum": {"type": "integer"}}, "required": ["sum"], "additionalProperties": false});
    let reply = chat(
        &client,
        json!({"model": INSTRUCT, "messages": [{"role": "user", "content": "How much is 3 + 4?"}],
               "response_format": {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema, "strict": true}}}),
    )
    .await?;
    check(from_str::<Value>(content(&reply))?["sum"].is_i64(), reply)
}

async fn reasoning(client: Client<OpenAIConfig>) -> Outcome {
    let parts = json!([{"type": "input_image", "image_url": picture("sum")?, "detail": "auto"}, {"type": "input_text", "text": "What is the sum of the numbers?"}]);
    let request: CreateResponse = from_value(
        json!({"model": THINKING, "input": [{"type": "message", "role": "user", "content": parts}], "reasoning": {"summary": "auto"}}),
    )?;
    let reply = client.responses().create(request.clone()).await?;
    let said = reply.output_text().unwrap_or_default();
    let thought: String = reply
        .output
        .iter()
        .filter_map(|item| if let OutputItem::Reasoning(r) = item { Some(&r.summary) } else { None })
        .flatten()
        .map(|SummaryPart::SummaryText(part)| part.text.as_str())
        .collect();
    check(thought.contains('+') && said.contains("132"), &reply)?;

    let mut events = client.responses().create_stream(CreateResponse { stream: Some(true), ..request }).await?;
    let (mut said, mut completed) = (String::new(), false);
    while let Some(event) = events.next().await {
        match event? {
            ResponseStreamEvent::ResponseOutputTextDelta(e) => said += &e.delta,
            ResponseStreamEvent::ResponseCompleted(_) => completed = true,
            _ => {}
        }
    }
    check(completed && said.contains("132"), said)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let base = env::var("CONFORMANCE_URL").unwrap_or("http://127.0.0.1:8080".into());
    let config = OpenAIConfig::new().with_api_base(base + "/v1").with_api_key("none");
    let mut suite = Suite { client: Client::with_config(config), failed: false };
    suite.case("text", text).await;
    suite.case("stream", stream).await;
    suite.case("image", image).await;
    suite.case("tools", tools).await;
    suite.case("structured output", structured).await;
    suite.case("reasoning", reasoning).await;
    ExitCode::from(u8::from(suite.failed))
}
