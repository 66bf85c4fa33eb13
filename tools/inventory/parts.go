package main

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"path"
)

// described is a part that a file describes, as neither Debian nor Go knows of it.
type described struct {
	Type    string   `json:"type"`
	Name    string   `json:"name"`
	Version string   `json:"version"`
	License string   `json:"license"`
	PURL    string   `json:"purl"`
	Texts   []string `json:"texts"`
}

func (d *described) component(texts []text) (component, error) {
	if d.Type == "" || d.Name == "" || d.Version == "" || d.PURL == "" {
		return component{}, fmt.Errorf("part %q lacks a type, name, version or purl", d.Name)
	}
	c := component{kind: d.Type, name: d.Name, version: d.Version, purl: d.PURL, texts: texts}
	if d.License != "" {
		c.licences = []string{d.License}
	}
	return c, nil
}

// describedParts are those of which a component.json lies in a folder, with the texts of their licences beside it.
func describedParts(folders fs.FS) ([]component, error) {
	names, err := fs.Glob(folders, "*/component.json")
	if err != nil {
		return nil, fmt.Errorf("look for parts: %w", err)
	}
	var out []component
	for _, name := range names {
		var d described
		if err := readJSON(folders, name, &d); err != nil {
			return nil, err
		}
		texts, err := licenceTexts(folders, path.Dir(name))
		if err != nil {
			return nil, err
		}
		if len(texts) == 0 {
			return nil, fmt.Errorf("no licence lies beside %s", name)
		}
		c, err := d.component(texts)
		if err != nil {
			return nil, err
		}
		out = append(out, c)
	}
	return out, nil
}

// embeddedParts are those that lie in the repository and are compiled in: list names them, with the files of their
// licences.
func embeddedParts(repository fs.FS, list string) ([]component, error) {
	var all []described
	if err := readJSON(repository, list, &all); err != nil {
		return nil, err
	}
	var out []component
	for _, d := range all {
		var texts []text
		for _, name := range d.Texts {
			data, err := fs.ReadFile(repository, name)
			if err != nil {
				return nil, fmt.Errorf("read a licence: %w", err)
			}
			texts = append(texts, text{name: path.Base(name), data: data})
		}
		c, err := d.component(texts)
		if err != nil {
			return nil, err
		}
		out = append(out, c)
	}
	return out, nil
}

func readJSON(files fs.FS, name string, into any) error {
	data, err := fs.ReadFile(files, name)
	if err != nil {
		return fmt.Errorf("read the description of parts: %w", err)
	}
	if err := json.Unmarshal(data, into); err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	return nil
}
