package config

import (
	"fmt"
	"strings"
	"testing"
)

func TestTheAdminAddressIsThisMachinesUnlessAKeyGuardsIt(t *testing.T) {
	const admin = "keys: [{name: a, admin: true, sha256: '0000000000000000000000000000000000000000000000000000000000000000'}]\n"
	user := strings.Replace(admin, "admin: true, ", "", 1)
	for listen, c := range map[string]struct {
		keys, network, address, fails string
	}{
		":9090":          {"", "tcp", "127.0.0.1:9090", ""},
		"127.0.0.1:9090": {"", "tcp", "127.0.0.1:9090", ""},
		"localhost:0":    {"", "tcp", "localhost:0", ""},
		"unix:/run/a":    {"", "unix", "/run/a", ""},
		"0.0.0.0:9090":   {user, "", "", "a key with admin: true is needed"},
		"[::]:9090":      {"", "", "", "a key with admin: true is needed"},
		"10.0.0.1:9090":  {admin, "tcp", "10.0.0.1:9090", ""},
		"9090":           {"", "", "", "must be host:port"},
		":8080":          {"", "", "", "must not be the address of `listen`"},
	} {
		got, err := load(t, c.keys+fmt.Sprintf("admin: {listen: %q}\n", listen))
		if c.fails != "" {
			if err == nil || !strings.Contains(err.Error(), c.fails) {
				t.Errorf("%s: %v", listen, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", listen, err)
			continue
		}
		if network, address := got.Admin.Network(); network != c.network || address != c.address {
			t.Errorf("%s: %s %s", listen, network, address)
		}
	}
}
