package config

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/qwenvld/qwenvld/internal/keepalive"
)

// Values of Model.Residency, of which its field's tag tells.
const (
	// ResidentBoth has both variants loaded at start and kept.
	ResidentBoth = "both"
	// ResidentOne has one variant loaded at a time, instruct at start. The other takes its place when it is asked for.
	ResidentOne = "one"
	// ResidentLazy has each variant loaded when it is asked for.
	ResidentLazy = "lazy"
)

// Values of MemoryBudget that are no number.
const (
	BudgetAuto = "auto"
	BudgetNone = "none"
)

// lazyKeepAlive is how long lazily loaded weights are kept by default, as Ollama keeps them.
const lazyKeepAlive = 5 * time.Minute

// IdleTime is how long the model's weights are kept that nobody uses; negative is for ever.
func (m *Model) IdleTime() time.Duration {
	if m.KeepAlive != "" {
		d, _ := keepalive.Parse(m.KeepAlive) // Validate has checked it
		return d
	}
	if m.Residency == ResidentLazy {
		return lazyKeepAlive
	}
	return -1
}

// Budget is MemoryBudget in bytes; 0 where it is not a number.
func (c *Config) Budget() int64 {
	n, _ := parseBytes(c.MemoryBudget)
	return n
}

// parseBytes reads a number of bytes, which may end in KiB, MiB, GiB or TiB.
func parseBytes(text string) (int64, error) {
	const step = 10 // powers of two between units
	number, shift := text, 0
	for i, unit := range []string{"KiB", "MiB", "GiB", "TiB"} {
		if rest, ok := strings.CutSuffix(text, unit); ok {
			number, shift = strings.TrimSpace(rest), step*(i+1)
		}
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n < 0 || n<<shift>>shift != n {
		return 0, fmt.Errorf("%q is no number of bytes", text)
	}
	return n << shift, nil
}

func (c *Config) validateBudget(v *validation) {
	if c.MemoryBudget == BudgetAuto || c.MemoryBudget == BudgetNone {
		return
	}
	if n, err := parseBytes(c.MemoryBudget); err != nil || n == 0 {
		v.fault("memory_budget", "must be %s, %s, or a number of bytes such as 12884901888 or 12GiB, not %q",
			BudgetAuto, BudgetNone, c.MemoryBudget)
	}
}

func (m *Model) validateResidency(v *validation, key string) {
	if m.KeepAlive != "" {
		if _, err := keepalive.Parse(m.KeepAlive); err != nil {
			v.fault(key+".keep_alive", "%s", err)
		}
	}
}

// validateModels checks each model, and that no name could mean two of them.
func (c *Config) validateModels(v *validation) {
	owner := map[string]int{}
	for i := range c.Models {
		m := &c.Models[i]
		key := fmt.Sprintf("models[%d]", i)
		m.validate(v, key)
		for _, name := range []string{m.ID, m.ID + "-instruct", m.ID + "-thinking"} {
			if first, taken := owner[name]; taken {
				v.fault(key+".id", "%q is also a name of models[%d]", name, first)
				break
			}
			owner[name] = i
		}
	}
}
