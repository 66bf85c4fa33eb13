package day

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestAUnitIsCarriedOutBelowAnotherRoot(t *testing.T) {
	root := t.TempDir()
	file := filepath.Join(root, "q.service")
	const text = `# Serves. Installed by hand:
#
#   install -m 755 bin/q /usr/local/bin/
#   install -D -m 644 q.yaml /etc/q/q.yaml
[Service]
ExecStartPre=/bin/mkdir DIR/made
ExecStart=/usr/local/bin/q serve --verbose
ExecReload=/bin/sh -c exit
Environment=A=/var/cache/q B=word
Environment=C=/x
StateDirectory=q
TimeoutStopSec=45s
# ExecStart=/bin/false
`
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(text, "DIR", root)), 0o600); err != nil {
		t.Fatal(err)
	}
	u, err := readUnit(file, root)
	if err != nil {
		t.Fatal(err)
	}
	if got := u.environ(); !slices.Equal(got, []string{"A=" + root + "/var/cache/q", "B=word", "C=" + root + "/x"}) {
		t.Errorf("environment %q", got)
	}
	if got, err := u.serves(); err != nil || !slices.Equal(got, []string{"--verbose"}) {
		t.Errorf("%q, %v", got, err)
	}
	if got, err := u.patience(); err != nil || got != 45*time.Second {
		t.Errorf("%v, %v", got, err)
	}
	if got := u.words("/bin/kill -HUP $MAINPID", 7); !slices.Equal(got, []string{"/bin/kill", "-HUP", "7"}) {
		t.Errorf("%q", got)
	}
	if err := u.folders(); err != nil || !exists(u.below("/var/lib/q")) {
		t.Errorf("folders: %v", err)
	}
	if err := u.runs(t.Context(), "ExecStartPre", []string{"PATH=/bin"}, 0); err != nil || !exists(root+"/made") {
		t.Errorf("%v", err)
	}
	if err := u.runs(t.Context(), "ExecStartPre", nil, 0); err == nil {
		t.Error("a command that fails is no error")
	}
	commands, err := installed(file)
	if err != nil || len(commands) != 2 || commands[1][len(commands[1])-1] != "/etc/q/q.yaml" {
		t.Errorf("%q, %v", commands, err)
	}
}

func TestTheUnitsFileCanBeRead(t *testing.T) {
	const file = "../../../deploy/systemd/qwenvld.service"
	u, err := readUnit(file, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"ExecStartPre", "ExecStart", "ExecReload", "TimeoutStopSec"} {
		if len(u.values[key]) == 0 {
			t.Errorf("the unit has no %s", key)
		}
	}
	if commands, err := installed(file); err != nil || len(commands) < 3 {
		t.Errorf("%q, %v", commands, err)
	}
}
