package api

import (
	"context"
	"flag"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/qwenvld/qwenvld/engine/upstream"
	"github.com/qwenvld/qwenvld/engine/upstream/dialect"
	"github.com/qwenvld/qwenvld/engine/upstream/discover"
	"github.com/qwenvld/qwenvld/internal/testkit"
	"github.com/qwenvld/qwenvld/router"
)

// throughAnother has every test's engines lie with another server, which is asked for what they answer.
var throughAnother = flag.Bool("through-another", false, "ask the engines by way of another server")

// placeBehind gives the engines of c to a server of their own, and c that server in their place.
func placeBehind(t *testing.T, c *Config) {
	t.Helper()
	inner := *c
	inner.Keys, inner.Metrics, inner.Store, inner.Logger = nil, nil, nil, nil
	inner.MaxConcurrent, inner.MaxWaiting, inner.NewID = 1024, 0, nil
	there, err := New(inner)
	if err != nil {
		return // c is as wrong
	}
	h := httptest.NewServer(there)
	t.Cleanup(func() {
		h.CloseClientConnections()
		h.Close()
		there.Abort()
	})
	c.Models = slices.Clone(c.Models)
	for i := range c.Models {
		m := &c.Models[i]
		engines := m.Engines
		m.Engines, m.Clusters = nil, map[router.Variant]*upstream.Cluster{}
		for v, e := range engines {
			info, down := e.Info(t.Context())
			if down == nil {
				m.RemoteContext = info.ContextSize
			}
			m.Clusters[v] = startCluster(t, dialect.Qwenvld, h.URL, m.ID+"-"+string(v), down == nil)
		}
	}
}

// startCluster runs a cluster of one server until the test ends. It waits for the server to be up where it can be.
func startCluster(
	tb testing.TB, kind dialect.Kind, url, model string, up bool, around ...func(http.RoundTripper) http.RoundTripper,
) *upstream.Cluster {
	tb.Helper()
	d, err := dialect.For(kind)
	if err != nil {
		tb.Fatal(err)
	}
	o := upstream.Options{
		Groups:   []upstream.Group{{Dialect: d, Source: discover.Static{Server: discover.Server{URL: url}}, Model: model}},
		Timeouts: upstream.Timeouts{ProbeEvery: 50 * time.Millisecond},
	}
	for _, f := range around {
		o.Around = f
	}
	cluster, err := upstream.New(o)
	if err != nil {
		tb.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- cluster.Run(ctx) }()
	tb.Cleanup(func() {
		stop()
		<-done
	})
	if up {
		testkit.Eventually(tb, "the other server", cluster.Ready)
	}
	return cluster
}

// anywhere are tests of what does not depend on where the weights lie. docs/SCALING.md lists what does.
const anywhere = `
	MessagesToolChoiceIsEnforced MessageFaultsAreInAnthropicsForm AnthropicOutputConfig AnswerAsOneObject
	ReasoningGoesByItsConfiguredName ToolCallsAreParsed LogprobsAreOfTheContent UserTextIsNeverAControlPiece
	SilenceIsFilledWithComments DrainRefusesAndAbortEnds SessionsKeepThinking LogsNeverHoldWhatWasSaid
	WhatClientsSendByThemselvesIsAccepted ForeignToolsAreLeftOutAndToldOf WhatIsNotForTheModelDoesNotReachThePrompt NoTopPIsGreedy
	HonouredAliases APromptIsEchoedWithoutAnAnswer ManyToolsAreAsGoodAsFew OnlyDeclaredToolsAreCalled
	SeveralPromptsAndChoices TextLogprobs CompletionFaultsNameTheirField ConstraintsReachTheEngine
	AnswersThatBreakTheirSchemaAreReported TheFirstChunkBeforeAToolCallHasNoContent TheFirstEventOfAMessageCountsItsInput ImagesReachTheEngineResizedAndInOrder
	ImagesThatFillTheContextAreRefusedBeforeDecoding PromptsOfSeveralAnswersCountOnce DecisionsAreCountedByWhoWhyAndAboutWhat OllamasClientsAreAnsweredInLines
	EachPictureStandsWhereItWasSent AnswerGoesOnFromWhatTheClientBegan PrefilledTextIsNeverAControlPiece ReasoningCanComeInTheContent
	UsageIsToldInEachChunkWhereAskedFor ReasoningIsItsOwnSummaryWhereOneIsAskedFor ResponseInOnePiece ResponseThinksInAnItemOfItsOwn
	ResponseEventsAddUp ResponseGoesOnFromAnother FailedResponsesSayWhy LengthMakesAResponseIncomplete
	ResponseInputIsCounted RepetitionIsLookedForUnlessItIsAllowed SeveralTokensCanBeLookedAt SecondLooksAreLeftOut
	ClientsGetTheAlternativesTheyAskedFor UnlikelyAnswersAreGivenAgain AFailedRerunLeavesTheAnswer ABlockThatTheEngineClosedLeavesAnAnswer
	LogprobsOfAnAnswerWithoutThoughtsBeginWithIt ASchemaAnswerOfWeightsThatDidNotThinkIsContent APromptThatDoesNotFitIsNamedAsTheSurfaceNamesIt TokensOfAConversation
	InputTokensCountImagesFromTheirHeader VideosBecomeStampedPairsInTheirPlace VideosInToolResultsAndTheResponsesAPI WithoutFFmpegOnlyFramesAreTaken
	InputTokensCountVideosAsGenerationDoes SaltsAndKeysKeepPromptsApart AnswerAsStream SeveralAnswersToOneRequest
	BadImagesNameTheirPlace ImageMemoryFaultsNameTheImage StreamsTellAtTheirEndWhatClosedTheThinking
`

// TestTheAPIThroughAnotherServer runs tests of the API again, with the engines behind another server.
func TestTheAPIThroughAnotherServer(t *testing.T) {
	if *throughAnother || testing.Short() {
		t.Skip("it is what runs")
	}
	if raced {
		t.Skip("the tests themselves run under the race detector; again and through another server they take minutes")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	names := "^Test(" + strings.Join(strings.Fields(anywhere), "|") + ")$"
	cmd := exec.CommandContext(t.Context(), self, "-through-another", "-test.run", names, "-test.timeout", "10m")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v:\n%s", err, out)
	}
}
