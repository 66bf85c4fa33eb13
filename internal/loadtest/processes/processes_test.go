package processes

import (
	"io"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/qwenvld/qwenvld/internal/testkit"
)

// spinVariable makes this test's program one that keeps a processor busy.
const spinVariable = "QWENVLD_TEST_SPIN"

func TestMain(m *testing.M) {
	if os.Getenv(spinVariable) != "" {
		if err := Spin(os.Stdin); err != nil {
			panic(err)
		}
		return
	}
	os.Exit(m.Run())
}

func needsLinux(t *testing.T) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("processes are looked up in /proc")
	}
}

// state is the letter by which /proc tells whether a process runs (R), waits (S) or is stopped (T); "" when it is
// gone.
func state(pid int) string {
	data, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return ""
	}
	return strings.Fields(string(data[strings.LastIndexByte(string(data), ')')+1:]))[0]
}

// start runs a shell that has a child, and waits for both.
func start(t *testing.T) (*Tree, []int) {
	t.Helper()
	c := exec.CommandContext(t.Context(), "sh", "-c", "sleep 600 & echo; wait")
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	tree, err := NewTree(c.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = out.Read(make([]byte, 1))
	pids, err := tree.pids()
	if err != nil || len(pids) != 2 {
		t.Fatalf("%v, %v", pids, err)
	}
	t.Cleanup(func() {
		child, _ := os.FindProcess(pids[1])
		_ = child.Kill()
		_ = c.Process.Kill()
		_ = out.Close()
		_ = c.Wait()
	})
	return tree, pids
}

func TestAPausedTreeStandsStillWithItsChildren(t *testing.T) {
	needsLinux(t)
	tree, pids := start(t)
	all := func(letter string) func() bool {
		return func() bool {
			for _, pid := range pids {
				if state(pid) != letter {
					return false
				}
			}
			return true
		}
	}
	for range 2 {
		if err := tree.Pause(t.Context()); err != nil {
			t.Fatal(err)
		}
		if !all("T")() {
			t.Error("they do not stand")
		}
		if err := tree.Resume(); err != nil {
			t.Fatal(err)
		}
		testkit.Eventually(t, "both go on", all("S"))
	}
}

func TestATreeHoldsMemory(t *testing.T) {
	needsLinux(t)
	tree, _ := start(t)
	if n, err := tree.Resident(); err != nil || n < 100<<10 || n > 100<<20 {
		t.Errorf("a shell and its child hold %d bytes, %v", n, err)
	}
}

func TestThereIsNoTreeOfAProcessThatIsGone(t *testing.T) {
	needsLinux(t)
	if _, err := NewTree(1 << 30); err == nil {
		t.Error("there is one")
	}
}

func TestTheTreeHoldsChildrenOfChildrenWhateverTheirNames(t *testing.T) {
	stat := func(line string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(line)} }
	tree := &Tree{root: 10, proc: fstest.MapFS{
		"1/stat":    stat("1 (init) S 0 1 1"),
		"10/stat":   stat("10 (server) S 1 10 10"),
		"11/stat":   stat("11 (a) b) (c) S 10 10 10"),
		"12/stat":   stat("12 (grandchild) R 11 10 10"),
		"20/stat":   stat("20 (another) R 1 10 10"),
		"self/stat": stat("20 (another) R 1 10 10"),
		"13/status": stat("it has ended"),
	}}
	got, err := tree.pids()
	if diff := cmp.Diff([]int{10, 11, 12}, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

const weights = `7f0000000000-7f0000100000 r--s 00000000 fe:00 77 /models/with a name.gguf
Size:               1024 kB
Rss:                 %s kB
VmFlags: rd mr
`

func TestAFileThatTwoProcessesMapCountsOnce(t *testing.T) {
	first := strings.Replace(weights, "%s", "600", 1) + `00400000-00500000 rw-p 00000000 00:00 0 [heap]
Rss:                 100 kB
00600000-00700000 rw-p 00000000 fe:00 78 /bin/server
Rss:                   8 kB
`
	second := strings.Replace(weights, "%s", "900", 1) + `00400000-00500000 rw-p 00000000 00:00 0
Rss:                  10 kB
`
	stat := func(line string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(line)} }
	tree := &Tree{root: 10, proc: fstest.MapFS{
		"10/stat": stat("10 (a) S 1"), "10/smaps": stat(first), "11/stat": stat("11 (b) S 10"), "11/smaps": stat(second),
	}}
	if got, err := tree.Resident(); got != (900+100+8+10)<<10 || err != nil {
		t.Errorf("%d kB, %v", got>>10, err)
	}
}

func TestBusyProcessesSpinAndEnd(t *testing.T) {
	needsLinux(t)
	t.Setenv(spinVariable, "1")
	b, err := StartBusy(t.Context(), 2, os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range b.loops {
		testkit.Eventually(t, "it spins", func() bool { return state(c.Process.Pid) == "R" })
	}
	loops := b.loops
	if err := b.Stop(); err != nil {
		t.Fatal(err)
	}
	for _, c := range loops {
		if s := state(c.Process.Pid); s != "" {
			t.Errorf("process %d is still there: %s", c.Process.Pid, s)
		}
	}
}

func TestABusyProcessEndsWithTheOneThatHoldsIt(t *testing.T) {
	in, hold := io.Pipe()
	ended := make(chan error)
	go func() { ended <- Spin(in) }()
	_ = hold.Close()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestAProgramThatIsNotThereKeepsNobodyBusy(t *testing.T) {
	if _, err := StartBusy(t.Context(), 1, "/none/such"); err == nil {
		t.Error("it was started")
	}
}
