package main

import (
	"crypto/x509"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/qwenvld/qwenvld/api/access"
	"github.com/qwenvld/qwenvld/config"
	"github.com/qwenvld/qwenvld/engine/llama"
)

func TestTheConfigurationReachesTheServer(t *testing.T) {
	_, keyHash := access.NewKey()
	c := config.Default()
	c.Keys = []config.Key{{Name: "ann", SHA256: keyHash.String(), RequestsPerMinute: 1, TokensPerMinute: 2, Concurrent: 3}}
	c.Limits.BodyBytes, c.Limits.MaxWaiting, c.Limits.WaitTimeout = 123, 0, 0
	c.Router.Rerun = config.Rerun{Share: 0.5, On: []string{"loop"}}
	c.RepetitionDetection = false
	c.Media.Video.Frames = 7
	a, err := serverConfig(&c, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := access.Key{Name: "ann", Hash: keyHash, RequestsPerMinute: 1, TokensPerMinute: 2, Concurrent: 3}
	if len(a.Keys) != 1 || a.Keys[0] != want || a.Limits.BodyBytes != 123 || a.Media.Video.Frames != 7 || !a.MayRepeat {
		t.Errorf("%+v", a)
	}
	// Nobody waits, which api has another word for than the configuration; and who may wait no time does not wait for
	// ever.
	if a.MaxWaiting != -1 || a.Patience != 1 {
		t.Errorf("waiting %d, patience %v", a.MaxWaiting, a.Patience)
	}
	if a.Rerun.Share != 0.5 || a.Router == nil || a.RouterVersion == "" || a.Metrics == nil {
		t.Errorf("%+v", a)
	}
}

func TestAConfigurationThatNoServerTakesIsRefused(t *testing.T) {
	for says, edit := range map[string]func(*config.Config){
		"key ann":         func(c *config.Config) { c.Keys = []config.Key{{Name: "ann", SHA256: "xyz"}} },
		"router.rerun.on": func(c *config.Config) { c.Router.Rerun.On = []string{"mood"} },
		"none.weights":    func(c *config.Config) { c.Router.Weights = "none.weights" },
	} {
		c := config.Default()
		edit(&c)
		if _, err := serverConfig(&c, nil, nil); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", says, err)
		}
	}
}

func TestAWorkerIsToldWhatItsModelIsConfiguredFor(t *testing.T) {
	both := config.Weights{Model: "m.gguf", Projector: "p.gguf"}
	wc := workerConfig(&config.Engine{ContextSize: 1, MaxQueue: 2, Threads: 3}, both)
	if wc.Model != "m.gguf" || wc.Projector != "p.gguf" || wc.ContextSize != 1 || wc.MaxQueue != 2 || wc.Threads != 3 {
		t.Errorf("%+v", wc)
	}
}

func TestWhatIsHardlyMeantIsWarnedOf(t *testing.T) {
	now := time.Now()
	certificate := &x509.Certificate{NotBefore: now.Add(-2 * time.Hour), NotAfter: now.Add(-time.Hour)}
	for name, tc := range map[string]struct {
		d    daemon
		says string
	}{
		"nothing":     {daemon{}, ""},
		"certificate": {daemon{certificate: certificate}, "the certificate ended on"},
	} {
		var logged strings.Builder
		tc.d.config, tc.d.logger = &config.Config{}, slog.New(slog.NewTextHandler(&logged, nil))
		tc.d.warn(llama.SystemReport{Devices: []string{"CPU"}}, now)
		if (tc.says == "") != (logged.Len() == 0) || !strings.Contains(logged.String(), tc.says) {
			t.Errorf("%s: %s", name, logged.String())
		}
	}
}

func TestAllFaultsOfFilesAreToldAtOnce(t *testing.T) {
	d := &daemon{config: &config.Config{
		TLS:    config.TLS{Certificate: "none.pem", Key: "none.key"},
		Models: []config.Model{{ID: "m", Instruct: config.Weights{Model: "none.gguf", Projector: t.TempDir()}}},
	}}
	err := d.check(t.Context())
	for _, says := range []string{
		"tls.certificate: there is no file none.pem", "tls.key: there is no file none.key",
		"models[0].instruct.model: there is no file none.gguf", "models[0].instruct.projector: ", "is a folder, not a file",
	} {
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q is not told: %v", says, err)
		}
	}
}
