package decoders

import (
	"bufio"
	"context"
	"errors"
	"io"
	"runtime/debug"
	"runtime/metrics"

	"github.com/qwenvld/qwenvld/multimodal"
)

// Serve carries out the jobs that come in on in, one after the other, until in ends: also in the middle of one, as
// whoever asked is gone then. It is what the processes of a Pool run.
func Serve(ctx context.Context, in io.Reader, out io.Writer) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	jobs, ended := make(chan *multimodal.Job), make(chan error, 2)
	go func() {
		r := bufio.NewReader(in)
		for {
			j, err := readJob(r)
			if err != nil {
				ended <- err
				return
			}
			select {
			case jobs <- j:
			case <-ctx.Done():
				return
			}
		}
	}()
	go func() {
		for {
			select {
			case j := <-jobs:
				if err := answer(ctx, j, out); err != nil {
					ended <- err
					return
				}
				giveBack()
			case <-ctx.Done():
				return
			}
		}
	}()
	// The goroutines end with the process, or soon.
	if err := <-ended; !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}

// answer carries out one job.
func answer(ctx context.Context, j *multimodal.Job, out io.Writer) error {
	var broken error
	err := j.Run(ctx, func(n int, img *multimodal.Image) error {
		if broken = writeLine(out, reply{N: n, Width: img.Width, Height: img.Height}); broken == nil {
			_, broken = out.Write(img.RGB)
		}
		return broken
	})
	switch {
	case broken != nil:
		return broken
	case err != nil:
		return writeLine(out, reply{Done: true, Fault: faultOf(err)})
	}
	return writeLine(out, reply{Done: true})
}

// giveBack returns what a large picture took to the system, which may need it for another process.
func giveBack() {
	const small = 64 << 20
	held := []metrics.Sample{
		{Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/memory/classes/heap/unused:bytes"},
		{Name: "/memory/classes/heap/free:bytes"},
	}
	metrics.Read(held)
	n := uint64(0)
	for i := range held {
		n += held[i].Value.Uint64()
	}
	if n > small {
		debug.FreeOSMemory()
	}
}
