package prompt

// Marks that Qwen's templates put around a tool call. Both are special tokens.
const (
	ToolCallOpen  = callOpen
	ToolCallClose = callClose
)

// Texts around a think block. What opens and closes one is control text.
const (
	// ThinkOpenText begins a block where thoughts are shown as content.
	ThinkOpenText = thinkOpen + "\n"
	// ThinkEndTag is the tag that ends a block.
	ThinkEndTag = thinkClose
	// ThinkCloseText is Qwen's own text to end a block early.
	ThinkCloseText = "\n\nConsidering the limited time by the user, I have to give the solution based on the thinking directly now.\n" +
		thinkClose + "\n\n"
	// ThinkEmptyText makes an empty block of the one that the template opens.
	ThinkEmptyText = "\n" + thinkClose + "\n\n"
)
