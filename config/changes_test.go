package config

import (
	"slices"
	"testing"
	"time"
)

func TestChangesTellWhatNeedsARestart(t *testing.T) {
	before, after := Default(), Default()
	if live, fixed := Changes(&before, &after); live != nil || fixed != nil {
		t.Errorf("%v, %v", live, fixed)
	}
	after.Keys, after.Limits.WaitTimeout, after.Router.Rerun.Share, after.Log.Level = []Key{{Name: "a"}}, time.Second, 0.5, "debug"
	after.Limits.LoadTimeout = time.Second
	after.Listen, after.Media.Video.Frames, after.Log.Format, after.CORS.AllowedOrigins = "x", 3, "json", []string{}
	live, fixed := Changes(&before, &after)
	if want := []string{"log.level", "limits.wait_timeout", "keys", "router.rerun.share"}; !slices.Equal(live, want) {
		t.Errorf("live: %v", live)
	}
	if want := []string{"listen", "log.format", "limits.load_timeout", "media.video.frames"}; !slices.Equal(fixed, want) {
		t.Errorf("fixed: %v", fixed)
	}
}
