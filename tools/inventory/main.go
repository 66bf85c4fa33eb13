// Command inventory lists what an image of the daemon is made of: the Go modules that are linked, the packages of
// Debian, and parts that are built or fetched elsewhere. It writes sbom.cdx.json (CycloneDX 1.6), third-party.txt for
// readers, and the texts of licences.
//
// It must not guess: a licence that it does not recognise is listed without a name, with its text.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "inventory:", err)
		stop()
		os.Exit(1)
	}
}

// component is a part of the image.
type component struct {
	kind          string // of CycloneDX: library, application
	name, version string
	purl          string   // the package URL, by which scanners know it
	licences      []string // SPDX's identifiers where they are known, else the names that the source gives
	texts         []text
	parts         []component // what a Go module carries of others
}

// text is a licence's.
type text struct {
	name string // below the component's folder, with slashes
	data []byte
}

func run(ctx context.Context, args []string, messages io.Writer) error {
	flags := flag.NewFlagSet("inventory", flag.ContinueOnError)
	flags.SetOutput(messages)
	module := flags.String("module", ".", "folder of the Go module")
	pkg := flags.String("package", ".", "package of the program, as go list takes it")
	version := flags.String("version", "dev", "version of the program")
	system := flags.String("system", "", "folder with os-release, dpkg-status, and doc/PACKAGE/copyright of the image; doc/NAME/component.json "+
		"describes what neither Debian nor Go brings")
	list := flags.String("embedded", "", "file in the module, relative to its folder, that describes what lies in the repository and is compiled in")
	out := flags.String("out", "", "folder to write to")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *out == "" || *system == "" {
		return errors.New("-system and -out are needed")
	}
	modules, err := linkedModules(ctx, *module, *pkg)
	if err != nil {
		return err
	}
	packages, err := debianPackages(os.DirFS(*system))
	if err != nil {
		return err
	}
	parts, err := describedParts(os.DirFS(filepath.Join(*system, "doc")))
	if err != nil {
		return err
	}
	var embedded []component
	if *list != "" {
		if embedded, err = embeddedParts(os.DirFS(*module), *list); err != nil {
			return err
		}
	}
	all := slices.Concat(modules, packages, parts, embedded)
	slices.SortFunc(all, func(a, b component) int { return strings.Compare(a.purl, b.purl) })
	return write(*out, *version, all)
}

// write fills the folder.
func write(folder, version string, all []component) error {
	document, err := json.MarshalIndent(cycloneDX(version, all), "", "  ")
	if err != nil {
		return fmt.Errorf("write the list of parts: %w", err)
	}
	if err := writeFile(filepath.Join(folder, "sbom.cdx.json"), append(document, '\n')); err != nil {
		return err
	}
	var readable strings.Builder
	table := tabwriter.NewWriter(&readable, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "part\tversion\tlicences\ttexts")
	for _, c := range flatten(all) {
		place := "licences/" + c.name
		switch {
		case len(c.texts) > 0:
		case strings.HasPrefix(c.purl, "pkg:deb/"):
			place = "/usr/share/doc/" + c.name + "/copyright"
		default:
			place = "/usr/share/common-licenses"
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", c.name, c.version, strings.Join(c.licences, ", "), place)
		for _, t := range c.texts {
			if err := writeFile(filepath.Join(folder, "licences", filepath.FromSlash(c.name), filepath.FromSlash(t.name)), t.data); err != nil {
				return err
			}
		}
	}
	if err := table.Flush(); err != nil {
		return fmt.Errorf("write the list of parts: %w", err)
	}
	return writeFile(filepath.Join(folder, "third-party.txt"), []byte(readable.String()))
}

// flatten puts each component before its parts.
func flatten(all []component) []component {
	var out []component
	for _, c := range all {
		out = append(append(out, c), flatten(c.parts)...)
	}
	return out
}

func writeFile(path string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil { //nolint:gosec // everybody may read licences
		return fmt.Errorf("write the list of parts: %w", err)
	}
	if err := os.WriteFile(path, data, 0o644); err != nil { //nolint:gosec // everybody may read licences
		return fmt.Errorf("write the list of parts: %w", err)
	}
	return nil
}
