package config

import (
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/qwenvld/qwenvld/internal/nearest"
)

// envPrefix begins the names of all environment variables.
const envPrefix = "QWENVLD_"

// Environment variables that set no key: the file's name here, and what the terminal's client, the build and the tests
// read.
const (
	VariableFile = envPrefix + "CONFIG"
	VariableURL  = envPrefix + "URL"
	VariableKey  = envPrefix + "API_KEY"
)

func otherVariables() []string {
	return []string{VariableFile, VariableURL, VariableKey, envPrefix + "MARCH", envPrefix + "BINARY", envPrefix + "TEST_WORKER"}
}

// variable is the name of the variable that sets key.
func variable(key string) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(key, ".", "_"))
}

// values are the values of the variables of an environment. Of several values of one variable the last counts.
func values(variables []string) map[string]string {
	out := map[string]string{}
	for _, entry := range variables {
		name, value, _ := strings.Cut(entry, "=")
		out[name] = value
	}
	return out
}

// fromEnvironment is what the variables set, in the levels of a file.
func fromEnvironment(variables map[string]string) map[string]any {
	out := map[string]any{}
	walkKeys(reflect.TypeFor[Config](), "", func(key string, _ reflect.Type) {
		value := variables[variable(key)]
		if value == "" || strings.Contains(key, "[]") {
			return
		}
		level, names := out, strings.Split(key, ".")
		for _, name := range names[:len(names)-1] {
			below, ok := level[name].(map[string]any)
			if !ok {
				below = map[string]any{}
				level[name] = below
			}
			level = below
		}
		level[names[len(names)-1]] = value
	})
	return out
}

// Kubernetes tells every container of the services beside it in variables such as QWENVLD_SERVICE_HOST, QWENVLD_PORT
// and QWENVLD_PORT_8080_TCP_ADDR: a service named qwenvld must not keep the daemon from starting.
var (
	serviceVariable = regexp.MustCompile(`_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)$`)
	servicePort     = regexp.MustCompile(`^(tcp|udp|sctp)://`)
)

func fromKubernetes(name, value string) bool {
	return serviceVariable.MatchString(name) || strings.HasSuffix(name, "_PORT") && servicePort.MatchString(value)
}

// checkEnvironment refuses variables that set nothing, and values that cannot be read.
func checkEnvironment(environment []string) error {
	kinds := map[string]reflect.Type{}
	var fileOnly []string
	walkKeys(reflect.TypeFor[Config](), "", func(key string, t reflect.Type) {
		if group, _, ok := strings.Cut(key, "[]"); ok {
			fileOnly = append(fileOnly, group)
		} else {
			kinds[variable(key)] = t
		}
	})
	known := otherVariables()
	for name := range kinds {
		known = append(known, name)
	}
	slices.Sort(known)
	var faults []error
	for _, entry := range environment {
		name, value, _ := strings.Cut(entry, "=")
		if !strings.HasPrefix(name, envPrefix) {
			continue
		}
		t, ok := kinds[name]
		switch {
		case ok && value != "" && t.Kind() != reflect.Slice:
			if err := checkScalar(t, value); err != nil {
				faults = append(faults, fmt.Errorf("environment variable %s %w", name, err))
			}
		case ok, slices.Contains(otherVariables(), name), fromKubernetes(name, value):
		default:
			faults = append(faults, fmt.Errorf("environment variable %s sets nothing%s", name, variableHint(name, known, fileOnly)))
		}
	}
	return errors.Join(faults...)
}

func variableHint(name string, known, fileOnly []string) string {
	for _, key := range fileOnly {
		if v := variable(key); name == v || strings.HasPrefix(name, v+"_") {
			return fmt.Sprintf(": %s can only be set in the file", key)
		}
	}
	short := strings.TrimPrefix(name, envPrefix)
	for i := range known {
		known[i] = strings.TrimPrefix(known[i], envPrefix)
	}
	meant := nearest.Name(short, known)
	if i := slices.IndexFunc(known, func(k string) bool { return strings.HasSuffix(k, "_"+short) }); meant == "" && i >= 0 {
		meant = known[i]
	}
	if meant != "" {
		return ": did you mean " + envPrefix + meant + "?"
	}
	return ": docs/CONFIGURATION.md has the keys that can be set"
}
