package config

import (
	"cmp"
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/go-viper/mapstructure/v2"
	"github.com/spf13/pflag"
	"github.com/spf13/viper"
)

// delimiter between the levels of a key inside viper: a dot could be part of a value's name.
const delimiter = "::"

// flagSet is the flag that sets any key.
const flagSet = "set"

// AddFlags defines the flags that Load reads.
func AddFlags(flags *pflag.FlagSet) {
	d := Default()
	AddFileFlag(flags)
	flags.String("listen", d.Listen, "address to serve on, host:port or unix:/path/of/a.sock")
	flags.String("log-level", d.Log.Level, "debug, info, warn or error")
	flags.String("log-format", d.Log.Format, "text or json")
	flags.StringArray(flagSet, nil, "set any key of the configuration: `KEY=VALUE`, such as media.max_pixels=1000000")
}

// AddFileFlag defines the flag that names the file, for commands that need no other.
func AddFileFlag(flags *pflag.FlagSet) {
	flags.String("config", "", "YAML configuration file (default $"+VariableFile+")")
}

// flagKeys maps flags to the keys they set.
func flagKeys() map[string]string {
	return map[string]string{"listen": "listen", "log-level": "log.level", "log-format": "log.format"}
}

// fromFlags are the sources of the flags that were given and set one key.
func fromFlags(flags *pflag.FlagSet) []*source {
	var out []*source
	for name, key := range flagKeys() {
		if f := flags.Lookup(name); f != nil && f.Changed {
			out = append(out, &source{name: "flag --" + name, key: key, text: f.Value.String()})
		}
	}
	return out
}

// Load reads the configuration: flags that were given over QWENVLD_* environment variables over the file over
// OpenTelemetry's variables over defaults.
// The file's paths are relative to its folder. Unknown keys of the file and unknown variables are errors; each fault
// says where it is. Of the variables of the environment, each NAME=VALUE, those that are empty count as not set.
func Load(flags *pflag.FlagSet, variables []string) (*Config, error) {
	c, _, err := Trace(flags, variables)
	return c, err
}

// Trace is Load that also tells where the values come from.
func Trace(flags *pflag.FlagSet, variables []string) (*Config, *Places, error) {
	name, err := flags.GetString("config")
	if err != nil {
		return nil, nil, fmt.Errorf("flag --config: %w", err)
	}
	environment := values(variables)
	if name == "" {
		name = environment[VariableFile]
	}
	var f *file
	if name != "" {
		f, err = readFile(name)
	}
	inEnvironment, err2 := fromEnvironment(environment)
	sets, err3 := fromSets(flags)
	standard, err4 := fromStandard(environment)
	// The weakest first.
	sources := slices.Concat(inEnvironment, sets, fromFlags(flags))
	if err = errors.Join(err, checkEnvironment(variables), err2, err3, err4, readAll(sources), readAll(standard)); err != nil {
		return nil, nil, err
	}
	c, err := decode(sources, name, standard)
	if err != nil {
		return nil, nil, err
	}
	c.resolve(filepath.Dir(name))
	slices.Reverse(sources)
	places := &Places{sources: sources, file: f, standard: standard}
	var faults []error
	for _, fault := range c.faults() {
		faults = append(faults, fmt.Errorf("%s: %w", cmp.Or(places.Of(fault.key), "configuration"), fault))
	}
	return c, places, errors.Join(faults...)
}

// decode lays the sources over the file over the standard ones over the defaults.
func decode(sources []*source, file string, standard []*source) (*Config, error) {
	v := viper.NewWithOptions(viper.KeyDelimiter(delimiter))
	setDefaults(v, "", reflect.ValueOf(Default()))
	for _, s := range standard {
		v.SetDefault(strings.ReplaceAll(s.key, ".", delimiter), s.value)
	}
	if file != "" {
		v.SetConfigFile(file)
		v.SetConfigType("yaml")
		if err := v.ReadInConfig(); err != nil {
			return nil, fmt.Errorf("configuration %s: %w", file, err)
		}
	}
	if err := v.MergeConfigMap(nested(sources)); err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	var c Config
	hooks := mapstructure.ComposeDecodeHookFunc(
		mapstructure.StringToTimeDurationHookFunc(), mapstructure.StringToSliceHookFunc(","),
	)
	if err := v.UnmarshalExact(&c, viper.DecodeHook(hooks)); err != nil {
		return nil, fmt.Errorf("configuration %s: %w", file, err)
	}
	return &c, nil
}

// setDefaults tells viper every key, so that the environment can set each; lists can only come from the file.
func setDefaults(v *viper.Viper, prefix string, s reflect.Value) {
	for i := range s.NumField() {
		key := prefix + s.Type().Field(i).Tag.Get("mapstructure")
		switch f := s.Field(i); {
		case f.Kind() == reflect.Struct:
			setDefaults(v, key+delimiter, f)
		case f.Kind() == reflect.Slice && f.Type().Elem().Kind() == reflect.Struct:
		default:
			v.SetDefault(key, f.Interface())
		}
	}
}

// resolve makes relative paths relative to dir.
func (c *Config) resolve(dir string) {
	files := []*string{&c.TLS.Certificate, &c.TLS.Key, &c.Router.Weights, &c.Tracing.HeadersFile, &c.Tracing.Certificate}
	if c.Responses.Path != ResponsesInMemory && c.Responses.Path != ResponsesOff {
		files = append(files, &c.Responses.Path)
	}
	within(dir, files...)
	for i := range c.Models {
		m := &c.Models[i]
		if strings.HasPrefix(m.Pull, ".") { // a folder
			m.Pull = filepath.Join(dir, m.Pull)
		}
		if p := &m.Engine.VisionFolder; *p != FolderAuto && *p != FolderOff {
			within(dir, p)
		}
		m.Instruct.resolve(dir)
		m.Thinking.resolve(dir)
	}
}

// resolve makes relative paths relative to dir: of the weights' own files and of those about servers.
func (w *Weights) resolve(dir string) {
	within(dir, &w.Model, &w.Projector)
	for i := range w.Upstreams {
		within(dir, &w.Upstreams[i].KeyFile, &w.Upstreams[i].File)
	}
}

// within puts dir before paths that are relative. What is empty stays so.
func within(dir string, paths ...*string) {
	for _, p := range paths {
		if *p != "" && !filepath.IsAbs(*p) {
			*p = filepath.Join(dir, *p)
		}
	}
}
