package dialect

// openAI is any server that speaks chat completions, of which nothing else is known.
func openAI() *Dialect {
	return &Dialect{
		Kind:      OpenAI,
		Can:       Capabilities{Budget: BudgetAsked, Texts: true, LogitBias: true},
		Paths:     Paths{Health: "/v1/models", Models: "/v1/models"},
		extend:    prediction,
		continued: func(body, *Chat) {},
		text:      func(body, *Text) {},
	}
}
