package dialect

// ollama is Ollama's /v1. It continues nothing, and forms and choices of tools are requests to the model.
func ollama() *Dialect {
	return &Dialect{
		Kind:     Ollama,
		Can:      Capabilities{Budget: BudgetAsked, Parses: true},
		Paths:    Paths{Health: "/api/version", Models: "/v1/models"},
		thoughts: "reasoning",
		extend: func(b body, c *Chat) {
			delete(b, "tool_choice") // it has none
			delete(b, "parallel_tool_calls")
			if c.Choice.Off {
				delete(b, "tools")
			}
			if c.Thinks && c.Budget == 0 {
				b["reasoning_effort"] = "none"
			}
		},
		continued: func(body, *Chat) {},
		text:      func(body, *Text) {},
	}
}
