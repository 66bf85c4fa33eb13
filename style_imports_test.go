package qwenvld_test

import (
	"slices"
	"strings"
	"testing"
)

// importRule says what packages may import.
type importRule struct {
	// packages is a pattern of folders: * stands for one name, ** for any number of them.
	packages string
	// may are patterns of the project's packages that these import directly. Packages below themselves they may import
	// in any case.
	may []string
	// no are other packages that they must not import directly, nor what lies below those.
	no []string
	// never are other packages that they must not depend on, directly or through others.
	never []string
	why   string
}

// importRules cover every package of the project; the first rule that fits a package is its rule. A new package needs a
// rule, and a new dependency between packages is a change of the architecture, which is made here.
var importRules = []importRule{
	{packages: "cmd/*", may: []string{"**"}, why: "cmd puts all parts together"},
	{packages: "config", may: []string{"internal/keepalive", "internal/nearest", "multimodal/video/limits"}, why: "config is read by everything, so it depends on nothing that depends on more"},

	{packages: "router", never: pure, why: "the router is a pure decision"},
	{packages: "router/difficulty", may: []string{"router", "router/nfkc"}, never: pure, why: "the model scores, it decides nothing"},
	{packages: "router/escalation", may: []string{"internal/repetition"}, never: pure, why: "an answer is judged by what is handed over"},
	{packages: "router/phrases", may: []string{"router/nfkc"}, never: pure, why: "phrases are found without knowing who asks"},
	{packages: "router/train", may: []string{"router", "router/difficulty"}, never: pure, why: "training knows nothing of the daemon"},
	{packages: "router/probe", may: []string{"router/train"}, why: "probing knows a daemon by its HTTP API alone"},
	{packages: "router/curve", never: pure, why: "a picture is drawn of numbers, whatever they mean"},
	{packages: "router/**", never: pure, why: "what the router is made of stands alone"},

	{packages: "multimodal", why: "media and token arithmetic know nothing of models or HTTP handlers"},
	{packages: "multimodal/video/limits", why: "config reads it"},
	{packages: "multimodal/**", may: []string{"multimodal", "multimodal/video/limits"}, why: "media and token arithmetic know nothing of models or HTTP handlers"},

	{packages: "hub", no: []string{"os"}, never: []string{"net"}, why: "names and choices of files are the same wherever the files lie"},
	{packages: "hub/cache", may: []string{"hub"}, never: []string{"net"}, why: "files are kept without knowing who sent them"},
	{packages: "hub/fetch", may: []string{"hub"}, why: "what is downloaded is decided by others"},
	{packages: "hub/pull", may: []string{"hub", "hub/cache", "hub/fetch"}, why: "files are brought without knowing what is in them"},
	{packages: "hub/hubtest", may: []string{"hub"}, why: "a hub for tests lists files"},

	{packages: "engine", never: []string{"net/http"}, why: "the engine's contract is the same for all who keep it"},
	{packages: "engine/enginetest", may: []string{"engine"}, why: "a test of any engine knows only the contract"},
	{packages: "engine/gguf", may: []string{"engine/tokenizer"}, never: []string{"net"}, why: "model files are judged before anything else of the engine runs"},
	{packages: "engine/footprint", may: []string{"engine/gguf"}, never: []string{"net"}, why: "sizes follow from headers"},
	{packages: "engine/device", no: []string{"os"}, never: []string{"net"}, why: "devices are chosen among by what is told of them"},
	{packages: "engine/device/probe", may: []string{"engine/device"}, never: []string{"net"}, why: "children look, and choose nothing"},
	{packages: "engine/layout", may: []string{"engine/device", "engine/footprint", "engine/gguf"}, never: []string{"net"}, why: "a layout follows from headers and what memory there is"},
	{packages: "engine/placement", may: []string{"engine"}, no: []string{"os"}, never: []string{"net"}, why: "what is loaded is decided by what is told"},
	{packages: "engine/residence", may: []string{"engine", "engine/placement"}, why: "weights are brought in and out, whoever holds them"},
	{packages: "engine/tokenizer", never: []string{"net"}, why: "text in, tokens out"},
	{packages: "engine/prompt", may: []string{"engine", "internal/jsontree"}, why: "prompts are text in, pieces out"},
	{packages: "engine/prompt/jinja", may: []string{"engine/prompt/pyjson", "internal/jsontree"}, why: "a template is run without knowing what for"},
	{packages: "engine/prompt/pyjson", may: []string{"internal/jsontree"}, why: "JSON is spelt as Python does, whatever it is"},
	{packages: "engine/constraint", may: []string{"engine", "internal/jsontree"}, why: "a grammar in, allowed tokens out"},
	{packages: "engine/constraint/constrainttest", may: []string{"engine", "engine/constraint"}, why: "a text is judged without knowing who asks"},
	{packages: "engine/llama", why: "the C boundary knows nothing of the rest"},
	{packages: "engine/wire", may: []string{"engine"}, why: "the wire format is shared by both processes"},
	{packages: "engine/process", may: []string{"engine", "engine/wire", "internal/tempdir"}, why: "the daemon's side knows a worker by what it says"},
	{packages: "engine/upstream", may: []string{"engine", "engine/upstream/*"}, why: "servers are asked without knowing what for"},
	{packages: "engine/upstream/pool", never: []string{"net"}, why: "who is asked next is a pure decision"},
	{packages: "engine/upstream/dialect", may: []string{"engine", "engine/tokenizer"}, why: "values in, bytes out, and back"},
	{packages: "engine/upstream/*", why: "a part of asking servers that stands alone"},
	{packages: "engine/selftest", may: []string{"engine/llama"}, never: []string{"net"}, why: "a proof of the device leans on nothing else of the engine"},
	{packages: "engine/worker", may: []string{
		"engine", "engine/constraint", "engine/gguf", "engine/llama", "engine/tokenizer", "engine/wire", "internal/bytecache",
	}, why: "the worker knows nothing of HTTP clients or routing"},
	{packages: "engine/worker/compute", may: []string{
		"engine", "engine/constraint", "engine/worker/answer", "engine/worker/parallel", "engine/worker/prefix",
		"engine/worker/rowcache", "engine/worker/sampler", "engine/worker/schedule", "engine/worker/speculation",
		"internal/repetition",
		"multimodal",
	}, why: "steps are computed without knowing who asks, and by any model"},
	{packages: "engine/worker/schedule", may: []string{"engine/worker/cost", "engine/worker/prefix"}, why: "a decision knows rows, what they cost, and which of them are shared"},
	{packages: "engine/worker/endpoint", may: []string{"engine", "engine/wire"}, why: "requests are read and events written for any model"},
	{packages: "engine/worker/rowcache", may: []string{"internal/bytecache"}, why: "rows are kept by their key, whatever they show"},
	{packages: "engine/worker/rowfolder", may: []string{"engine/worker/rowcache"}, never: []string{"net"}, why: "a folder holds rows, whoever wants them"},
	{packages: "engine/worker/sampler", may: []string{"engine"}, why: "a token is drawn from numbers"},
	{packages: "engine/worker/*", why: "a part of the worker that stands alone"},

	{packages: "api", may: []string{
		"api/*", "api/openai/*", "engine", "engine/upstream", "multimodal", "multimodal/video", "router",
	}, never: []string{"modernc.org"}, why: "cmd hands over options and a store, so that no test of api waits for SQLite to be compiled"},
	{packages: "api/fault", may: []string{"engine", "multimodal", "router"}, why: "an error of the API knows the errors that it is made of"},
	{packages: "api/jsonbody", may: []string{"internal/jsontree"}, no: []string{"net/http"}, why: "JSON is read without knowing what it says"},
	{packages: "api/web", may: []string{"api/fault", "api/intake"}, why: "the wire knows nothing of engines and routers"},
	{packages: "api/request", may: []string{
		"api/fault", "api/grounding", "api/jsonbody", "engine", "engine/constraint", "engine/prompt", "internal/nearest", "multimodal/video", "router",
	}, no: []string{"net/http"}, why: "a request is the same, whichever surface it came from"},
	{packages: "api/media", may: []string{
		"api/fault", "api/request", "engine", "multimodal", "multimodal/video", "multimodal/video/limits",
	}, no: []string{"net/http"}, why: "pictures are prepared without knowing who asks"},
	{packages: "api/generation", may: []string{
		"api/admission", "api/backlog", "api/fault", "api/jsonbody", "api/media", "api/request", "engine", "engine/prompt", "router", "router/escalation",
	}, no: []string{"net/http"}, why: "what is generated does not depend on how it is sent"},
	{packages: "api/remote", may: []string{
		"api/fault", "api/generation", "api/media", "api/request", "engine", "engine/prompt", "engine/upstream", "engine/upstream/dialect",
		"engine/worker/answer", "multimodal", "router",
	}, why: "what servers cannot do is done without knowing how they are reached"},
	{packages: "api/surface", may: []string{
		"api/fault", "api/generation", "api/jsonbody", "api/request", "api/web", "engine",
	}, why: "what surfaces share knows none of them"},
	{packages: "api/surface/surfacetest", may: []string{
		"api/fault", "api/generation", "api/surface", "api/web",
	}, why: "a test of any encoder knows none of them"},
	{packages: "api/openai/wire", may: []string{"api/fault", "api/generation", "api/media", "api/web", "engine"}, why: "forms that several surfaces have in common decide nothing"},
	{packages: "api/openai/responses", may: slices.Concat(surface, []string{"api/openai/wire", "api/history", "api/intake"}), why: onlyCodes},
	{packages: "api/openai/*", may: slices.Concat(surface, []string{"api/openai/wire"}), why: onlyCodes},
	{packages: "api/anthropic", may: surface, why: onlyCodes},
	{packages: "api/ollama", may: slices.Concat(surface, []string{"internal/keepalive"}), why: onlyCodes},
	{packages: "api/grounding", never: pure, why: "text in, places out"},
	{packages: "api/history/**", may: []string{"api/history"}, why: "what is kept is bytes"},
	{packages: "api/metrics", may: []string{"engine", "router"}, why: "counting changes nothing"},
	{packages: "api/tracing", may: []string{"engine", "router"}, why: "telling changes nothing"},
	{packages: "api/*", why: "a part of the HTTP layer that stands alone"},

	{packages: "", why: "the root embeds the description of the API"},
	{packages: "internal/loadtest", why: "what is measured is put together of its own parts"},
	{packages: "internal/loadtest/drive", may: []string{
		"internal/client", "internal/loadtest/measure", "internal/loadtest/scenario",
	}, why: "a server under test is known by its HTTP API alone"},
	{packages: "internal/loadtest/measure", never: pure, why: "figures are made of what was seen"},
	{packages: "internal/loadtest/picture", never: pure, why: "a picture is drawn of numbers"},
	{packages: "internal/loadtest/processes", never: []string{"net/http"}, why: "processes are stopped without knowing what they do"},
	{packages: "internal/loadtest/report", may: []string{"internal/loadtest/measure"}, never: pure, why: "a report is written of figures"},
	{packages: "internal/loadtest/scenario", may: []string{
		"internal/loadtest/measure", "internal/loadtest/picture",
	}, never: pure, why: "a plan is data, and asks nobody"},
	{packages: "internal/trial/daemon", may: []string{"internal/client"}, why: "a process is looked at from outside"},
	{packages: "internal/trial/traffic", may: []string{"internal/loadtest/picture"}, why: "a daemon is asked as clients ask it"},
	{packages: "internal/trial/faults", may: []string{
		"engine", "engine/gguf", "engine/process", "hub/hubtest", "internal/client", "internal/damage", "internal/hostile",
		"internal/loadtest/picture", "internal/loadtest/processes", "internal/trial/*",
	}, why: "faults are made with what tests make them with"},
	{packages: "internal/trial/*", may: []string{"internal/trial/*"}, why: "a trial knows a daemon by what it runs and asks"},
	{packages: "internal/*", why: "what several packages use knows none of them"},
}

// pure are what a package that only computes has no use for.
var pure = []string{"net/http", "log/slog"}

// surface are what a wire format is made of. Other wire formats, the router and the engines' processes are not among
// it.
var surface = []string{"api/fault", "api/generation", "api/grounding", "api/jsonbody", "api/request", "api/surface", "api/web", "engine"}

const onlyCodes = "a surface decodes and encodes, and nothing else"

// onlyForTests are packages that no part of the daemon may contain. Trials of a whole daemon are tests, too.
var onlyForTests = []string{
	"api/history/historytest", "engine/upstream/upstreamtest", "api/surface/surfacetest", "engine/constraint/constrainttest",
	"engine/enginetest", "hub/hubtest", "internal/contract", "internal/damage", "internal/hostile", "internal/otlptest", "internal/testkit",
}

func TestImportsPointOneWay(t *testing.T) {
	used := make([]bool, len(importRules))
	for _, p := range listPackages(t) {
		i := slices.IndexFunc(importRules, func(r importRule) bool { return matches(r.packages, p.rel()) })
		if i < 0 {
			t.Errorf("no import rule covers %s: add one to style_imports_test.go", p.ImportPath)
			continue
		}
		used[i] = true
		rule := importRules[i]
		for _, name := range p.Imports {
			own, isOwn := strings.CutPrefix(name, module+"/")
			switch {
			case isOwn && slices.Contains(onlyForTests, own) && !under(p.rel(), "internal/trial") && p.rel() != "cmd/trial":
				t.Errorf("%s imports %s, which is for tests only", p.ImportPath, own)
			case isOwn && !under(own, p.rel()) && !slices.ContainsFunc(rule.may, func(pattern string) bool { return matches(pattern, own) }):
				t.Errorf("%s imports %s, which its rule does not allow: %s", p.ImportPath, own, rule.why)
			case underAny(name, rule.no):
				t.Errorf("%s imports %s: %s", p.ImportPath, name, rule.why)
			}
		}
		for _, name := range p.Deps {
			if underAny(name, rule.never) {
				t.Errorf("%s depends on %s: %s", p.ImportPath, name, rule.why)
			}
		}
	}
	for i, rule := range importRules {
		if !used[i] {
			t.Errorf("no package has the rule for %q", rule.packages)
		}
	}
}

// matches reports whether a folder fits a pattern, in which * stands for one name and ** for any number of them.
func matches(pattern, folder string) bool {
	return matchNames(strings.Split(pattern, "/"), strings.Split(folder, "/"))
}

func matchNames(pattern, names []string) bool {
	if len(pattern) == 0 {
		return len(names) == 0
	}
	if pattern[0] == "**" {
		for skipped := range len(names) + 1 {
			if matchNames(pattern[1:], names[skipped:]) {
				return true
			}
		}
		return false
	}
	return len(names) > 0 && (pattern[0] == "*" || pattern[0] == names[0]) && matchNames(pattern[1:], names[1:])
}

func TestPatternsOfFolders(t *testing.T) {
	for _, c := range []struct {
		pattern, folder string
		want            bool
	}{
		{"api", "api", true},
		{"api", "api/web", false},
		{"api/*", "api/web", true},
		{"api/*", "api/openai/chat", false},
		{"api/**", "api/openai/chat", true},
		{"api/**", "apis", false},
		{"**", "cmd/qwenvld", true},
		{"**/chat", "api/openai/chat", true},
		{"api/openai/*", "api/openai", false},
	} {
		if got := matches(c.pattern, c.folder); got != c.want {
			t.Errorf("%s, %s: %v", c.pattern, c.folder, got)
		}
	}
}

func under(importPath, root string) bool {
	return importPath == root || strings.HasPrefix(importPath, root+"/")
}

func underAny(importPath string, roots []string) bool {
	return slices.ContainsFunc(roots, func(root string) bool { return under(importPath, root) })
}

func TestOnlyTheModelSideReachesC(t *testing.T) {
	linksC := []string{module + "/engine/llama", module + "/engine/selftest", module + "/engine/worker", module + "/cmd/qwenvld"}
	for _, p := range listPackages(t) {
		if len(p.CgoFiles) > 0 && p.rel() != "engine/llama" {
			t.Errorf("%s imports C; only engine/llama may", p.ImportPath)
		}
		if slices.Contains(linksC, p.ImportPath) {
			continue
		}
		for _, dep := range p.Deps {
			if under(dep, module+"/engine/llama") || under(dep, "github.com/ollama/ollama") {
				t.Errorf("%s depends on %s, so it could not be tested without a C++ build", p.ImportPath, dep)
			}
		}
	}
}
