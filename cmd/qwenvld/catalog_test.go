package main

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/qwenvld/qwenvld/config"
	"github.com/qwenvld/qwenvld/engine"
	"github.com/qwenvld/qwenvld/engine/device"
	"github.com/qwenvld/qwenvld/engine/placement"
	"github.com/qwenvld/qwenvld/engine/residence"
	"github.com/qwenvld/qwenvld/router"
)

// planned gives the units of models without looking for cards.
func planned(t *testing.T, c *config.Config, models ...*config.Model) (*catalog, []residence.Unit, error) {
	t.Helper()
	p := &planner{environment: &environment{}, config: c, program: "/bin/q", reports: oneCard(0)[:1], logger: slog.New(slog.DiscardHandler)}
	var units []residence.Unit
	out := &catalog{}
	var sources []*source
	for _, m := range models {
		s := &source{model: m}
		own, err := p.unitsOf(s)
		if err != nil {
			return nil, nil, err
		}
		units, sources = append(units, own...), append(sources, s)
		out.models = append(out.models, &servedModel{Model: m, members: map[router.Variant]*residence.Member{}})
	}
	return out, units, checkFits(p.budget(), units, sources)
}

func TestVariantsAreTreatedAsTheirModelSays(t *testing.T) {
	for residency, want := range map[string][2]placement.Unit{
		"":     {{Eager: true, Pinned: true, KeepAlive: -1}, {Eager: true, Pinned: true, KeepAlive: -1}},
		"both": {{Eager: true, Pinned: true, KeepAlive: -1}, {Eager: true, Pinned: true, KeepAlive: -1}},
		"one":  {{Eager: true, Pinned: true, KeepAlive: -1, Turn: "m"}, {Pinned: true, KeepAlive: -1, Turn: "m"}},
		"lazy": {{KeepAlive: 5 * 60e9}, {KeepAlive: 5 * 60e9}},
	} {
		m := referenceModel(config.Engine{})
		m.Residency = residency
		_, units, err := planned(t, &config.Config{MemoryBudget: config.BudgetNone}, m)
		if err != nil || len(units) != 2 {
			t.Fatalf("%d units, %v", len(units), err)
		}
		for i, id := range []string{"m-instruct", "m-thinking"} {
			got := units[i]
			w := want[i]
			w.ID = id
			if got.ID != w.ID || got.Eager != w.Eager || got.Pinned != w.Pinned || got.KeepAlive != w.KeepAlive || got.Turn != w.Turn {
				t.Errorf("%q: %+v", residency, got.Unit)
			}
			if got.Need.Own[placement.Host] <= 0 || got.Need.Mapped[m.Instruct.Model] <= 0 || got.Files.About.ContextSize != 512 || got.Files.About.Vision == nil {
				t.Errorf("%q: %+v, %+v", residency, got.Need, got.Files.About)
			}
		}
	}
	m := referenceModel(config.Engine{})
	m.Instruct = config.Weights{}
	if _, units, err := planned(t, &config.Config{MemoryBudget: config.BudgetNone}, m); err != nil || len(units) != 1 || !units[0].Eager {
		t.Errorf("%+v, %v", units, err)
	}
}

func TestWhatDoesNotFitIsToldWithTheNearestThatWould(t *testing.T) {
	m := referenceModel(config.Engine{})
	m.Engine.CacheTokens = 4096
	_, units, err := planned(t, &config.Config{MemoryBudget: config.BudgetNone}, m)
	if err != nil {
		t.Fatal(err)
	}
	one := units[0].Need.On(placement.Host)
	both := one + units[1].Need.Own[placement.Host] // the weights are the same file
	for budget, says := range map[int64]string{
		both:     "",
		both - 1: "cache_tokens: 512 would fit",
		one / 99: "a smaller size or quantisation would",
	} {
		_, _, err := planned(t, &config.Config{MemoryBudget: text(budget)}, m)
		if (err == nil) != (says == "") || err != nil && !strings.Contains(err.Error(), says) {
			t.Errorf("%d bytes for %d: %v", budget, both, err)
		}
		if err != nil && !strings.Contains(err.Error(), "m-thinking needs ") {
			t.Errorf("the weights are not named: %v", err)
		}
	}
	small := referenceModel(config.Engine{})
	_, units, err = planned(t, &config.Config{MemoryBudget: config.BudgetNone}, small)
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = planned(t, &config.Config{MemoryBudget: text(units[0].Need.On(placement.Host))}, small)
	if err == nil || !strings.Contains(err.Error(), "cache_type: q8_0") && !strings.Contains(err.Error(), "residency: one") {
		t.Errorf("%v", err)
	}
}

func text(n int64) string {
	b, _ := json.Marshal(n) // numbers encode
	return string(b)
}

func TestWhatStaysOnACardIsNotThereForTheNextModel(t *testing.T) {
	m := referenceModel(config.Engine{})
	for residency, taken := range map[string]bool{"both": true, "one": true, "lazy": false} {
		m.Residency = residency
		where, err := place(oneCard(80<<30), &config.Config{}, m, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		left := device.Cards(where.left(m))
		if len(left) != 1 || (left[0].Free < 80<<30) != taken {
			t.Errorf("%s: %+v", residency, left)
		}
		for _, r := range where.left(m) {
			if r.Fault != "" {
				t.Errorf("told again: %s", r.Fault)
			}
		}
		need := where.need("instruct", m.Instruct)
		if need.Own["CUDA0"] == 0 {
			t.Errorf("%s: %+v", residency, need)
		}
	}
}

func TestAServerIsMadeOfACatalogAndSaysThatItsWeightsLoad(t *testing.T) {
	c := config.Default()
	c.Responses.Path = config.ResponsesOff
	c.MemoryBudget = config.BudgetNone
	models, units, err := planned(t, &c, referenceModel(config.Engine{}))
	if err != nil {
		t.Fatal(err)
	}
	if models.keeper, err = residence.New(units, residence.Options{}); err != nil { // which nobody runs
		t.Fatal(err)
	}
	for i, member := range models.keeper.Members() {
		models.models[0].members[[]router.Variant{router.Instruct, router.Thinking}[i]] = member
	}
	s, err := newServer(&c, models, mediaSources{}, nil, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://127.0.0.1:8080/health/ready", http.NoBody))
	var ready struct{ Status string }
	if err := json.Unmarshal(w.Body.Bytes(), &ready); err != nil || w.Code != http.StatusServiceUnavailable || ready.Status == "ready" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if got := models.observed(); len(got) != 2 || got[0].Model != "m" {
		t.Errorf("%+v", got)
	}
	if state, _ := models.keeper.Members()[0].Health(); state != engine.StateLoading {
		t.Errorf("%s", state)
	}
}
