package memlimit

import (
	"testing"
	"testing/fstest"
)

func TestTheLimitOfTheControlGroupIsFound(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string]string
		want  int64
	}{
		"none":         {nil, 0},
		"version 2":    {map[string]string{"proc/self/cgroup": "0::/a.slice/b\n", "sys/fs/cgroup/a.slice/b/memory.max": "1073741824\n"}, 1 << 30},
		"no limit":     {map[string]string{"proc/self/cgroup": "0::/a\n", "sys/fs/cgroup/a/memory.max": "max\n"}, 0},
		"one above it": {map[string]string{"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/memory.max": "2000\n", "sys/fs/cgroup/a/memory.max": "1000\n"}, 1000},
		"a container":  {map[string]string{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "5000\n"}, 5000},
		"the host's path in a container": {
			map[string]string{"proc/self/cgroup": "0::/docker/1f2e\n", "sys/fs/cgroup/memory.max": "5000\n"}, 5000,
		},
		"version 1": {
			map[string]string{"proc/self/cgroup": "5:cpu,cpuacct:/x\n4:memory:/docker/1f2e\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": "7000\n"}, 7000,
		},
		"version 1 without": {
			map[string]string{"proc/self/cgroup": "4:memory:/\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n"}, 0,
		},
		"nonsense": {map[string]string{"proc/self/cgroup": "x\n0::/../../etc\n", "sys/fs/cgroup/etc/memory.max": "-3\n"}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			root := fstest.MapFS{}
			for file, text := range c.files {
				root[file] = &fstest.MapFile{Data: []byte(text)}
			}
			if got := OfGroup(root); got != c.want {
				t.Errorf("%d, want %d", got, c.want)
			}
		})
	}
}
