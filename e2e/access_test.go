package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
)

// TestKeysAndHTTPS makes a key with the command, serves https with a certificate of its own, and asks with and without the key.
func TestKeysAndHTTPS(t *testing.T) {
	var secret strings.Builder
	makeKey := exec.CommandContext(t.Context(), binary(t), "key", "alice")
	makeKey.Stderr = &secret
	out, err := makeKey.Output()
	if err != nil {
		t.Fatal(err)
	}
	key, snippet := regexp.MustCompile(`sk-\S+`).FindString(secret.String()), string(out)
	if key == "" || strings.Contains(snippet, key) {
		t.Fatalf("%s\n%s", out, secret.String())
	}
	dir := t.TempDir()
	roots := certificate(t, dir)
	file := filepath.Join(dir, "qwenvld.yaml")
	if err := os.WriteFile(file, []byte(snippet+"    requests_per_minute: 3\ntls: {certificate: cert.pem, key: key.pem}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: true}}
	d := start(t, "--config", file)
	if !strings.HasPrefix(d.url, "https://") {
		t.Fatal(d.url)
	}
	ask := func(key string) error {
		c := openai.NewClient(option.WithBaseURL(d.url+"/v1"), option.WithAPIKey(key), option.WithMaxRetries(0), option.WithHTTPClient(client))
		stream := c.Chat.Completions.NewStreaming(timeout(t, patience), question("qwen3-vl-instruct", "hello"))
		for stream.Next() {
		}
		return stream.Err()
	}
	eventually(t, func() bool {
		resp, err := client.Get(d.url + "/health/live")
		if err != nil {
			return false
		}
		_ = resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
	var e *openai.Error
	if err := ask("sk-wrong"); !errors.As(err, &e) || e.StatusCode != http.StatusUnauthorized || e.Code != "invalid_api_key" {
		t.Errorf("%v", err)
	}
	// Waiting with questions would use the limit up while the weights load.
	d.http, d.key = client, key
	eventually(t, func() bool { return d.readiness().Variants["instruct"].Status == "ready" })
	if err := ask(key); err != nil {
		t.Error(err)
	}
	limited := false
	for range 4 {
		if err := ask(key); errors.As(err, &e) && e.StatusCode == http.StatusTooManyRequests {
			limited = true
		}
	}
	if !limited {
		t.Error("the limit was not kept")
	}
	if out, err := exec.CommandContext(t.Context(), binary(t), "health", "--config", file, "--listen", strings.TrimPrefix(d.url, "https://")).CombinedOutput(); err != nil {
		t.Errorf("health: %v: %s", err, out)
	}
}

// certificate writes cert.pem and key.pem for 127.0.0.1 and returns the pool that trusts them.
func certificate(t *testing.T, dir string) *x509.CertPool {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{"cert.pem": {Type: "CERTIFICATE", Bytes: der}, "key.pem": {Type: "PRIVATE KEY", Bytes: keyDER}} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(parsed)
	return pool
}
