package prompt

// Texts around thoughts, as control text: the templates write them, and who closes a block early or leaves it empty
// does so in the same words.
const (
	// ThinkStart opens a block, ThinkEnd closes it.
	ThinkStart = thinkOpen + "\n"
	ThinkEnd   = thinkClose
	// ThinkEmpty turns an open block without thoughts into an empty one.
	ThinkEmpty = "\n" + thinkClose + "\n\n"
	// ThinkCutShort is Qwen's own text for ending thoughts early.
	ThinkCutShort = "\n\nConsidering the limited time by the user, I have to give the solution based on the thinking directly now.\n" +
		thinkClose + "\n\n"
)
