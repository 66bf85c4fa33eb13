package engine

import (
	"context"
	"time"
)

// OnDemand is an Engine whose weights are in memory only at times. Those that are not loaded answer nothing: Info and
// Generate fail with an UnavailableError until somebody holds them.
type OnDemand interface {
	Engine
	// Outlook says how soon the weights can be used. It does not block.
	Outlook() Outlook
	// Hold has the weights loaded and keeps them so until release is called, which may be more than once. It waits for
	// that, and fails where they cannot be loaded or it takes too long.
	Hold(ctx context.Context, h Hold) (release func(), err error)
	// Unload has the weights unloaded once nobody holds them, and waits for it. It fails where they are being fetched.
	Unload(ctx context.Context) error
}

// Outlook is what can be told of weights that need not be loaded.
type Outlook struct {
	// About is what the headers of the files tell. Of Vision it only says that there is any.
	About Info
	// Down is why they cannot be used at once, nil where they can.
	Down *UnavailableError
	// Wait is about how long it takes until they can be used, if somebody asks; 0 where they are loaded. Hopeless says
	// that asking is of no use now.
	Wait     time.Duration
	Hopeless bool
	// Starting says that they are to be loaded, or being loaded, though nobody asks.
	Starting bool
	// Displaces says that others would have to be unloaded.
	Displaces bool
	// Memory is what they take while they are loaded, in bytes, by device.
	Memory map[string]int64
}

// Hold is how weights are asked for.
type Hold struct {
	// KeepAlive is how long they stay loaded afterwards while nobody uses them, negative for ever; nil leaves that as
	// it is. Weights that are loaded by configuration stay in any case.
	KeepAlive *time.Duration
	// Loaded has Hold fail where the weights are not there at once.
	Loaded bool
	// Waiting, unless nil, is called now and then while they are waited for, by Hold itself.
	Waiting func(UnavailableError)
}
