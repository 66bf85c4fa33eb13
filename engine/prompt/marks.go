package prompt

// Marks that Qwen's templates put around a tool call. Both are special tokens.
const (
	ToolCallOpen  = callOpen
	ToolCallClose = callClose
)
