import dev.langchain4j.agent.tool.ToolSpecification;
import dev.langchain4j.data.message.AiMessage;
import dev.langchain4j.data.message.ImageContent;
import dev.langchain4j.data.message.TextContent;
import dev.langchain4j.data.message.ToolExecutionResultMessage;
import dev.langchain4j.data.message.UserMessage;
import dev.langchain4j.model.chat.request.ChatRequest;
import dev.langchain4j.model.chat.request.ResponseFormat;
import dev.langchain4j.model.chat.request.ResponseFormatType;
import dev.langchain4j.model.chat.request.ToolChoice;
import dev.langchain4j.model.chat.request.json.JsonObjectSchema;
import dev.langchain4j.model.chat.request.json.JsonSchema;
import dev.langchain4j.model.chat.response.ChatResponse;
import dev.langchain4j.model.chat.response.PartialThinking;
import dev.langchain4j.model.chat.response.StreamingChatResponseHandler;
import dev.langchain4j.model.openai.OpenAiChatModel;
import dev.langchain4j.model.openai.OpenAiStreamingChatModel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Base64;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

/** Asks a running daemon through LangChain4j and prints a row of the table for each case. */
public final class Conformance {
    private static final String URL = System.getenv("CONFORMANCE_URL") + "/v1";
    private static final String INSTRUCT = "qwen3-vl-instruct";
    private static final String THINKING = "qwen3-vl-thinking";

    private interface Case {
        void run() throws Exception;
    }

    private static boolean failed;

    private static void run(String name, Case test) {
        String result = "pass";
        try {
            test.run();
        } catch (Throwable e) {
            failed = true;
            result = "FAIL: " + e.toString().replaceAll("[|\n]", " ");
        }
        System.out.println("| LangChain4j | " + name + " | " + result + " |");
    }

    private static void check(boolean ok, Object what) {
        if (!ok) {
            throw new AssertionError(String.valueOf(what));
        }
    }

    private static OpenAiChatModel model(String name) {
        return OpenAiChatModel.builder().baseUrl(URL).apiKey("none").modelName(name).temperature(0.0).maxRetries(0)
                .returnThinking(true).strictJsonSchema(true).build();
    }

    private static UserMessage picture(String name, String question) throws Exception {
        byte[] bytes = Files.readAllBytes(Path.of(System.getenv("CONFORMANCE_EXAMPLES"), name + ".png"));
        return UserMessage.from(ImageContent.from(Base64.getEncoder().encodeToString(bytes), "image/png"), TextContent.from(question));
    }

    /** What a stream has said and thought once it has ended. */
    private record Streamed(String text, String thought, ChatResponse end) {}

    private static Streamed stream(String name, UserMessage message) throws Exception {
        var model = OpenAiStreamingChatModel.builder().baseUrl(URL).apiKey("none").modelName(name).temperature(0.0)
                .returnThinking(true).build();
        var text = new StringBuilder();
        var thought = new StringBuilder();
        var end = new CompletableFuture<ChatResponse>();
        model.chat(ChatRequest.builder().messages(message).build(), new StreamingChatResponseHandler() {
            @Override public void onPartialResponse(String part) { text.append(part); }
            @Override public void onPartialThinking(PartialThinking part) { thought.append(part.text()); }
            @Override public void onCompleteResponse(ChatResponse response) { end.complete(response); }
            @Override public void onError(Throwable error) { end.completeExceptionally(error); }
        });
        return new Streamed(text.toString(), thought.toString(), end.get(2, TimeUnit.MINUTES));
    }

    public static void main(String[] args) {
        run("text", () -> check(!model(INSTRUCT).chat("Hello, who are you?").isEmpty(), "empty"));
        run("stream", () -> {
            var s = stream(INSTRUCT, UserMessage.from("Hello, who are you?"));
            check(!s.end().aiMessage().text().isEmpty() && s.end().tokenUsage().outputTokenCount() > 0, s);
        });
        run("image", () -> {
            var reply = model(INSTRUCT).chat(picture("number", "What is the number in the picture?")).aiMessage().text();
            check(reply.contains("720"), reply);
        });
        run("tools: required, then answered", () -> {
            var question = UserMessage.from("How much is 530 * 634?");
            var parameters = JsonObjectSchema.builder().addStringProperty("expression").required("expression").build();
            var calculator = ToolSpecification.builder().name("calculator").description("Evaluates an arithmetic expression.")
                    .parameters(parameters).build();
            var first = model(INSTRUCT).chat(ChatRequest.builder().messages(question).toolSpecifications(calculator)
                    .toolChoice(ToolChoice.REQUIRED).build()).aiMessage();
            var call = first.toolExecutionRequests().get(0);
            check(call.arguments().contains("expression"), first);
            AiMessage second = model(INSTRUCT).chat(ChatRequest.builder()
                    .messages(question, first, ToolExecutionResultMessage.from(call, "336020")).toolSpecifications(calculator).build()).aiMessage();
            check(second.text() != null || second.hasToolExecutionRequests(), second);
        });
        run("structured output", () -> {
            var schema = JsonObjectSchema.builder().addIntegerProperty("sum").required("sum").additionalProperties(false).build();
            var format = ResponseFormat.builder().type(ResponseFormatType.JSON)
                    .jsonSchema(JsonSchema.builder().name("answer").rootElement(schema).build()).build();
            var reply = model(INSTRUCT).chat(ChatRequest.builder().messages(UserMessage.from("How much is 3 + 4?"))
                    .responseFormat(format).build()).aiMessage().text();
            check(reply.matches("\\s*\\{\\s*\"sum\"\\s*:\\s*-?\\d+\\s*\\}\\s*"), reply);
        });
        run("reasoning", () -> {
            var message = picture("sum", "What is the sum of the numbers?");
            var reply = model(THINKING).chat(message).aiMessage();
            check(reply.thinking().contains("+") && reply.text().contains("132"), reply);
            var s = stream(THINKING, message);
            check(s.end().aiMessage().text().contains("132") && s.end().aiMessage().thinking().contains("+"), s);
        });
        System.exit(failed ? 1 : 0);
    }
}
