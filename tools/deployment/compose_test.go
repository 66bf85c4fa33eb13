package deployment

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
)

const root = "../.."

// load is what `docker compose` makes of files with profiles and variables, of which .env has more.
func load(t *testing.T, files, profiles, variables []string) *types.Project {
	t.Helper()
	paths := make([]string, len(files))
	for i, f := range files {
		paths[i] = filepath.Join(root, f)
	}
	options, err := cli.NewProjectOptions(paths, cli.WithWorkingDirectory(root), cli.WithEnv(variables), cli.WithEnvFiles(), cli.WithDotEnv,
		cli.WithDefaultProfiles(profiles...), cli.WithName("qwenvld"))
	if err != nil {
		t.Fatal(err)
	}
	project, err := options.LoadProject(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return project
}

func TestEachWayStartsOneDaemon(t *testing.T) {
	for name, c := range map[string]struct {
		files, profiles []string
		service, target string
		cards           bool
	}{
		"docker compose up":                {[]string{"docker-compose.yml"}, nil, "qwenvld", "cpu", false},
		"--profile cpu":                    {[]string{"docker-compose.yml"}, []string{"cpu"}, "qwenvld", "cpu", false},
		"--profile cuda":                   {[]string{"docker-compose.yml"}, []string{"cuda"}, "qwenvld-cuda", "cuda", true},
		"the overlay of NVIDIA's cards":    {[]string{"docker-compose.yml", "compose.cuda.yaml"}, nil, "qwenvld", "cuda", true},
		"the overlay, with its profile on": {[]string{"docker-compose.yml", "compose.cuda.yaml"}, []string{"cuda"}, "qwenvld-cuda", "cuda", true},
	} {
		t.Run(name, func(t *testing.T) {
			project := load(t, c.files, c.profiles, nil)
			if names := project.ServiceNames(); !slices.Equal(names, []string{c.service}) {
				t.Fatalf("services %v", names)
			}
			s := project.Services[c.service]
			if s.Build == nil || s.Build.Target != c.target || s.Image == "" {
				t.Errorf("image %q, build %+v", s.Image, s.Build)
			}
			if got := s.Deploy != nil && s.Deploy.Resources.Reservations != nil && len(s.Deploy.Resources.Reservations.Devices) == 1; got != c.cards {
				t.Errorf("cards reserved: %v", got)
			}
			if _, got := s.Environment["NVIDIA_DRIVER_CAPABILITIES"]; got != c.cards {
				t.Errorf("driver's capabilities named: %v", got)
			}
			confined(t, s)
		})
	}
}

// confined fails where a container may do more than the daemon needs.
func confined(t *testing.T, s types.ServiceConfig) {
	t.Helper()
	if !s.ReadOnly || s.Privileged || !slices.Equal(s.CapDrop, []string{"ALL"}) || len(s.CapAdd) > 0 || !slices.Contains(s.SecurityOpt, "no-new-privileges:true") {
		t.Errorf("read-only %v, privileged %v, without %v, with %v, %v", s.ReadOnly, s.Privileged, s.CapDrop, s.CapAdd, s.SecurityOpt)
	}
	if s.HealthCheck != nil {
		t.Error("the image's own healthcheck is replaced")
	}
	for _, p := range s.Ports {
		if p.HostIP != "127.0.0.1" {
			t.Errorf("served to %q", p.HostIP)
		}
	}
	// All that is written: the volume of the image, and temporary files.
	var written []string
	for _, v := range s.Volumes {
		if !v.ReadOnly {
			written = append(written, v.Target)
		}
	}
	if !slices.Equal(written, []string{"/var/cache/qwenvld"}) || !slices.Equal(s.Tmpfs, []string{"/tmp"}) {
		t.Errorf("written: %v and %v", written, s.Tmpfs)
	}
}

func TestVariablesChooseModelAndPort(t *testing.T) {
	s := load(t, []string{"docker-compose.yml"}, nil, nil).Services["qwenvld"]
	if !slices.Equal(s.Command, []string{"serve"}) || s.Ports[0].Published != "8080" {
		t.Errorf("%v on %s", s.Command, s.Ports[0].Published)
	}
	s = load(t, []string{"docker-compose.yml"}, nil, []string{"QWENVLD_MODEL=qwen3-vl:2b", "QWENVLD_PORT=9000"}).Services["qwenvld"]
	if !slices.Equal(s.Command, []string{"serve", "qwen3-vl:2b"}) || s.Ports[0].Published != "9000" {
		t.Errorf("%v on %s", s.Command, s.Ports[0].Published)
	}
}

// The stages that compose names are in the Dockerfile, and so is what the files rely on.
func TestTheImageIsAsTheFilesSay(t *testing.T) {
	data, err := os.ReadFile(filepath.Join(root, "Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	stages := regexp.MustCompile(`(?m)^FROM \S+ AS (\S+)$`).FindAllStringSubmatch(string(data), -1)
	for _, target := range []string{"cpu", "cuda"} {
		if !slices.ContainsFunc(stages, func(m []string) bool { return m[1] == target }) {
			t.Errorf("the Dockerfile has no stage %s", target)
		}
	}
	if !strings.HasSuffix(string(data), "\nFROM cpu\n") {
		t.Error("without a target, another image than cpu is built")
	}
	for _, line := range []string{"USER 10001:10001", `VOLUME ["/var/cache/qwenvld"]`} {
		if !strings.Contains(string(data), "\n"+line+"\n") {
			t.Errorf("the Dockerfile lacks %s", line)
		}
	}
}
