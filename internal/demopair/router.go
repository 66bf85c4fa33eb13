package demopair

import _ "embed" // the router's weights

//go:embed router.weights
var routerWeights []byte

// RouterWeights are the router's shipped weights, calibrated to what this pair can and cannot do
// (tools/demopair/routed.py).
func RouterWeights() []byte { return routerWeights }
