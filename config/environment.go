package config

import (
	"errors"
	"fmt"
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

// Kubernetes tells every container of the services beside it in variables such as QWENVLD_SERVICE_HOST, QWENVLD_PORT
// and QWENVLD_PORT_8080_TCP_ADDR: a service named qwenvld must not keep the daemon from starting.
var (
	serviceVariable = regexp.MustCompile(`_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)$`)
	servicePort     = regexp.MustCompile(`^(tcp|udp|sctp)://`)
)

func fromKubernetes(name, value string) bool {
	return serviceVariable.MatchString(name) || strings.HasSuffix(name, "_PORT") && servicePort.MatchString(value)
}

// inFile ends the name of a variable that names the file in which its value stands.
const inFile = "_FILE"

// checkEnvironment refuses variables that set nothing.
func checkEnvironment(environment []string) error {
	known := otherVariables()
	var groups []string
	for key, t := range kinds() {
		known = append(known, variable(key))
		if isGroups(t) {
			groups = append(groups, key)
			known = append(known, variable(key)+inFile)
		}
	}
	slices.Sort(known)
	var faults []error
	for _, entry := range environment {
		name, value, _ := strings.Cut(entry, "=")
		if !strings.HasPrefix(name, envPrefix) || slices.Contains(known, name) || fromKubernetes(name, value) {
			continue
		}
		faults = append(faults, fmt.Errorf("environment variable %s sets nothing%s", name, variableHint(name, known, groups)))
	}
	return errors.Join(faults...)
}

func variableHint(name string, known, groups []string) string {
	for _, key := range groups {
		if v := variable(key); strings.HasPrefix(name, v+"_") {
			return fmt.Sprintf(": %s is set as a whole, as JSON in %s", key, v)
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
