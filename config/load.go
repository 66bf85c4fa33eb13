package config

import (
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"strings"

	"github.com/go-viper/mapstructure/v2"
	"github.com/spf13/pflag"
	"github.com/spf13/viper"
)

// delimiter between the levels of a key inside viper: a dot could be part of a value's name.
const delimiter = "::"

// AddFlags defines the flags that Load reads.
func AddFlags(flags *pflag.FlagSet) {
	d := Default()
	AddFileFlag(flags)
	flags.String("listen", d.Listen, "address to serve on, host:port or unix:/path/of/a.sock")
	flags.String("log-level", d.Log.Level, "debug, info, warn or error")
	flags.String("log-format", d.Log.Format, "text or json")
}

// AddFileFlag defines the flag that names the file, for commands that need no other.
func AddFileFlag(flags *pflag.FlagSet) {
	flags.String("config", "", "YAML configuration file (default $"+VariableFile+")")
}

// flagKeys maps flags to the keys they set.
func flagKeys() map[string]string {
	return map[string]string{"listen": "listen", "log-level": "log.level", "log-format": "log.format"}
}

// Load reads the configuration: flags that were given over QWENVLD_* environment variables over the file over defaults.
// The file's paths are relative to its folder. Unknown keys of the file and unknown variables are errors; each fault
// says where it is. Of the variables of the environment, each NAME=VALUE, those that are empty count as not set.
func Load(flags *pflag.FlagSet, variables []string) (*Config, error) {
	name, err := flags.GetString("config")
	if err != nil {
		return nil, fmt.Errorf("flag --config: %w", err)
	}
	if name == "" {
		name = values(variables)[VariableFile]
	}
	var f *file
	if name != "" {
		f, err = readFile(name)
	}
	if err = errors.Join(err, checkEnvironment(variables)); err != nil {
		return nil, err
	}
	c, err := decode(flags, values(variables), name)
	if err != nil {
		return nil, err
	}
	c.resolve(filepath.Dir(name))
	var faults []error
	for _, fault := range c.faults() {
		faults = append(faults, fmt.Errorf("%s: %w", place(flags, values(variables), f, fault.key), fault))
	}
	return c, errors.Join(faults...)
}

// place says where the value of key comes from.
func place(flags *pflag.FlagSet, variables map[string]string, f *file, key string) string {
	for flag, k := range flagKeys() {
		if given := flags.Lookup(flag); k == key && given != nil && given.Changed {
			return "flag --" + flag
		}
	}
	if v := variable(key); variables[v] != "" {
		return "environment variable " + v
	}
	if at := f.place(key); at != "" {
		return at
	}
	return "configuration"
}

// decode lays flags over the environment over the file over the defaults.
func decode(flags *pflag.FlagSet, variables map[string]string, file string) (*Config, error) {
	v := viper.NewWithOptions(viper.KeyDelimiter(delimiter))
	setDefaults(v, "", reflect.ValueOf(Default()))
	for flag, key := range flagKeys() {
		if f := flags.Lookup(flag); f != nil {
			if err := v.BindPFlag(strings.ReplaceAll(key, ".", delimiter), f); err != nil {
				return nil, fmt.Errorf("flag --%s: %w", flag, err)
			}
		}
	}
	if file != "" {
		v.SetConfigFile(file)
		v.SetConfigType("yaml")
		if err := v.ReadInConfig(); err != nil {
			return nil, fmt.Errorf("configuration %s: %w", file, err)
		}
	}
	if err := v.MergeConfigMap(fromEnvironment(variables)); err != nil {
		return nil, fmt.Errorf("environment: %w", err)
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
	files := []*string{&c.TLS.Certificate, &c.TLS.Key, &c.Router.Weights}
	if c.Responses.Path != ResponsesInMemory && c.Responses.Path != ResponsesOff {
		files = append(files, &c.Responses.Path)
	}
	for _, p := range files {
		if *p != "" && !filepath.IsAbs(*p) {
			*p = filepath.Join(dir, *p)
		}
	}
	for i := range c.Models {
		m := &c.Models[i]
		if strings.HasPrefix(m.Pull, ".") { // a folder
			m.Pull = filepath.Join(dir, m.Pull)
		}
		for _, p := range []*string{&m.Instruct.Model, &m.Instruct.Projector, &m.Thinking.Model, &m.Thinking.Projector} {
			if *p != "" && !filepath.IsAbs(*p) {
				*p = filepath.Join(dir, *p)
			}
		}
	}
}
