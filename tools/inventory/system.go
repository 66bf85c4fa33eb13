package main

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/url"
	"path"
	"slices"
	"strings"
)

// debianPackages are those that are installed, by dpkg-status, with the licences that doc/PACKAGE/copyright names
// where that is written for programs to read (DEP-5).
func debianPackages(system fs.FS) ([]component, error) {
	release, err := fs.ReadFile(system, "os-release")
	if err != nil {
		return nil, fmt.Errorf("read the system's name: %w", err)
	}
	distro := strings.Trim(fieldsOf(string(release), "=")["VERSION_ID"], `"`)
	status, err := fs.ReadFile(system, "dpkg-status")
	if err != nil {
		return nil, fmt.Errorf("read the list of packages: %w", err)
	}
	var out []component
	for paragraph := range strings.SplitSeq(string(status), "\n\n") {
		f := fieldsOf(paragraph, ": ")
		if !strings.HasSuffix(f["Status"], " installed") {
			continue
		}
		copyright, err := fs.ReadFile(system, path.Join("doc", f["Package"], "copyright"))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("read a licence: %w", err)
		}
		out = append(out, component{
			kind: "library", name: f["Package"], version: f["Version"], licences: debianLicences(string(copyright)),
			purl: fmt.Sprintf("pkg:deb/debian/%s@%s?arch=%s&distro=debian-%s", url.QueryEscape(f["Package"]), url.QueryEscape(f["Version"]),
				f["Architecture"], distro),
		})
	}
	if len(out) == 0 {
		return nil, errors.New("dpkg-status names no installed package")
	}
	return out, nil
}

// fieldsOf reads lines of name, separator and value. Lines that go on with the one before are left out.
func fieldsOf(lines, separator string) map[string]string {
	out := map[string]string{}
	for line := range strings.Lines(lines) {
		if name, value, ok := strings.Cut(line, separator); ok && !strings.HasPrefix(line, " ") {
			out[name] = strings.TrimSpace(value)
		}
	}
	return out
}

// debianLicences are the names in the fields "License:" of a copyright file.
func debianLicences(copyright string) []string {
	if !strings.HasPrefix(copyright, "Format:") {
		return nil
	}
	found := map[string]bool{}
	for line := range strings.Lines(copyright) {
		if name, ok := strings.CutPrefix(line, "License:"); ok && strings.TrimSpace(name) != "" {
			found[strings.TrimSpace(name)] = true
		}
	}
	return slices.Sorted(maps.Keys(found))
}
