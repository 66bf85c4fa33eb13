package difficulty

import (
	_ "embed" // the shipped weights
	"fmt"
)

//go:embed weights
var shipped []byte

// Default returns the shipped weights.
func Default() (*Model, error) {
	m, err := Load(shipped)
	if err != nil {
		return nil, fmt.Errorf("shipped weights: %w", err)
	}
	return m, nil
}
