package main

import (
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

var uuid = regexp.MustCompile(`^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`)

const mit = `MIT License

Copyright (c) 2026 Somebody

Permission is hereby granted, free of charge, to any person obtaining a copy
of this software and associated documentation files (the "Software"), to deal
in the Software without restriction, including without limitation the rights
to use, copy, modify, merge, publish, distribute, sublicense, and/or sell
copies of the Software, and to permit persons to whom the Software is
furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all
copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR
IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY,
FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE
AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER
LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM,
OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE
SOFTWARE.
`

func TestAModuleIsListedWithWhatItCarries(t *testing.T) {
	m := &linkedModule{path: "example.com/m", version: "v1.2.3+incompatible", dir: "/m", folders: map[string]bool{}}
	m.add("/m/pkg/deep")
	m.add("/m/vendored/lib/src")
	c, err := m.component(fstest.MapFS{
		"LICENSE":               {Data: []byte(mit)},
		"license.go":            {Data: []byte(mit)},
		"pkg/deep/a.go":         {},
		"vendored/lib/COPYING":  {Data: []byte("Do as you are told.\n")},
		"vendored/lib/src/a.c":  {},
		"elsewhere/lib/LICENSE": {Data: []byte(mit)}, // of nothing that is linked
	})
	if err != nil {
		t.Fatal(err)
	}
	if c.purl != "pkg:golang/example.com/m@v1.2.3%2Bincompatible" || !slices.Equal(c.licences, []string{"MIT"}) || len(c.texts) != 1 {
		t.Errorf("%+v", c)
	}
	if len(c.parts) != 1 || c.parts[0].name != "example.com/m/vendored/lib" || c.parts[0].licences != nil || len(c.parts[0].texts) != 1 {
		t.Errorf("parts %+v", c.parts)
	}
}

var system = fstest.MapFS{
	"os-release": {Data: []byte("PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nVERSION_ID=\"12\"\n")},
	"dpkg-status": {Data: []byte("Package: libstdc++6\nStatus: install ok installed\nArchitecture: amd64\nVersion: 12.2.0-14+deb12u1\n" +
		"Description: library\n Status: no field\n\nPackage: gone\nStatus: deinstall ok config-files\nArchitecture: amd64\nVersion: 1\n\n" +
		"Package: tar\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1.34+dfsg-1.2+deb12u1\n")},
	"doc/tar/copyright":         {Data: []byte("Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\nFiles: *\nLicense: GPL-3+\n\nLicense: GPL-3+\n text\n\nLicense:\n")},
	"doc/libstdc++6/copyright":  {Data: []byte("This is in words.\nLicense: not a field\n")},
	"doc/film/component.json":   {Data: []byte(`{"type": "application", "name": "film", "version": "7:5.1", "license": "LGPL-2.1-or-later", "purl": "pkg:deb/debian/film@7%3A5.1?arch=source"}`)},
	"doc/film/COPYING.LGPLv2.1": {Data: []byte("LGPL")},
}

func TestPackagesOfDebianAreListed(t *testing.T) {
	all, err := debianPackages(system)
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != 2 {
		t.Fatalf("%+v", all)
	}
	if want := "pkg:deb/debian/libstdc%2B%2B6@12.2.0-14%2Bdeb12u1?arch=amd64&distro=debian-12"; all[0].purl != want || all[0].licences != nil {
		t.Errorf("%+v, want %s", all[0], want)
	}
	if !slices.Equal(all[1].licences, []string{"GPL-3+"}) {
		t.Errorf("%+v", all[1])
	}
	if _, err := debianPackages(fstest.MapFS{"os-release": {}, "dpkg-status": {}}); err == nil {
		t.Error("an empty list of packages is one")
	}
}

func TestPartsNeedTheirLicence(t *testing.T) {
	parts, err := describedParts(fstest.MapFS{"film/component.json": system["doc/film/component.json"], "film/COPYING": {Data: []byte("LGPL")}})
	if err != nil || len(parts) != 1 || parts[0].name != "film" || len(parts[0].texts) != 1 {
		t.Errorf("%+v, %v", parts, err)
	}
	if _, err := describedParts(fstest.MapFS{"film/component.json": system["doc/film/component.json"]}); err == nil {
		t.Error("a part without a licence is listed")
	}
	if _, err := describedParts(fstest.MapFS{"film/component.json": {Data: []byte(`{"name": "film"}`)}, "film/COPYING": {}}); err == nil {
		t.Error("a part without a version is listed")
	}
}

// The document of this very program, with Go's library and the module that it uses.
func TestTheListOfAProgram(t *testing.T) {
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("there is no go here")
	}
	folder, out := t.TempDir(), t.TempDir()
	if err := os.CopyFS(folder, system); err != nil {
		t.Fatal(err)
	}
	if err := run(t.Context(), []string{"-system", folder, "-out", out, "-version", "1.0"}, io.Discard); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(out, "sbom.cdx.json"))
	if err != nil {
		t.Fatal(err)
	}
	var document bom
	if err := json.Unmarshal(data, &document); err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for _, c := range document.Components {
		if len(c.Licences) > 0 {
			found[c.Name] = c.Licences[0].License.ID + c.Licences[0].License.Name
		}
	}
	for name, licence := range map[string]string{"std": "BSD-3-Clause", "github.com/google/licensecheck": "BSD-3-Clause", "tar": "GPL-3+", "film": "LGPL-2.1-or-later"} {
		if found[name] != licence {
			t.Errorf("%s has %q, want %q", name, found[name], licence)
		}
	}
	again := document
	again.SerialNumber = ""
	if want := serial(again); document.SerialNumber != want || !uuid.MatchString(want) {
		t.Errorf("serial number %s, want %s", document.SerialNumber, want)
	}
	readable, err := os.ReadFile(filepath.Join(out, "third-party.txt"))
	if err != nil || !strings.Contains(string(readable), "film") {
		t.Errorf("%s, %v", readable, err)
	}
	if _, err := os.Stat(filepath.Join(out, "licences", "film", "COPYING.LGPLv2.1")); err != nil {
		t.Error(err)
	}
}

func TestWhatIsCompiledInIsListedAsItLiesThere(t *testing.T) {
	repository := os.DirFS("../..")
	parts, err := embeddedParts(repository, "tools/inventory/embedded.json")
	if err != nil {
		t.Fatal(err)
	}
	vendored, err := os.ReadFile("../../api/playground/static/vendor/VENDORED.md")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(vendored)) {
		row := strings.Split(line, "|")
		if len(row) < 6 || !strings.Contains(row[4], "/") {
			continue
		}
		name, version := strings.TrimSpace(row[1]), strings.TrimSpace(row[2])
		if !slices.ContainsFunc(parts, func(c component) bool { return c.name == name && c.version == version }) {
			t.Errorf("%s %s is vendored and not listed", name, version)
		}
	}
	for _, c := range parts {
		if c.licences == nil {
			t.Errorf("%s has no licence", c.name)
		}
	}
}
