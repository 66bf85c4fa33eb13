package config

// Router decides between a model's two sets of weights.
type Router struct {
	// Quality from 0, never think unasked, to 10, think wherever it does no harm.
	Quality float64 `mapstructure:"quality"`
	// Weights is a file of `qwenvld router train`; empty takes the shipped ones.
	Weights    string     `mapstructure:"weights"`
	SecondLook SecondLook `mapstructure:"second_look"`
	Rerun      Rerun      `mapstructure:"rerun"`
}

// SecondLook has instruct begin where the router is uncertain, and thinking answer where its first tokens are doubtful.
type SecondLook struct {
	Share   float64 `mapstructure:"share"`   // of routed requests at most; 0 is never
	Tokens  int     `mapstructure:"tokens"`  // of instruct's answer, which are looked at
	Margin  float64 `mapstructure:"margin"`  // doubtful below it: a token's likeliest probability less the next
	Entropy float64 `mapstructure:"entropy"` // doubtful above it: of a token, as a share of the greatest possible
}

// Rerun has thinking answer again what instruct answered badly, in replies that are not streamed.
type Rerun struct {
	Share float64  `mapstructure:"share"` // of routed requests at most; 0 is never
	On    []string `mapstructure:"on" oneof:"form loop length logprob"`
}

func (c *Router) validate(v *validation) {
	const key = "router."
	v.within(key+"quality", c.Quality, 10)
	v.within(key+"second_look.share", c.SecondLook.Share, 1)
	v.atLeast(key+"second_look.tokens", int64(c.SecondLook.Tokens), 1)
	v.within(key+"second_look.margin", c.SecondLook.Margin, 1)
	v.within(key+"second_look.entropy", c.SecondLook.Entropy, 1)
	v.within(key+"rerun.share", c.Rerun.Share, 1)
}
