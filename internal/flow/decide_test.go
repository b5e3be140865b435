package flow_test

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/layercake-app/layercake/internal/blueprint"
	"github.com/layercake-app/layercake/internal/db"
	"github.com/layercake-app/layercake/internal/db/dbtest"
	"github.com/layercake-app/layercake/internal/event"
	"github.com/layercake-app/layercake/internal/fault"
	"github.com/layercake-app/layercake/internal/flow"
	"github.com/layercake-app/layercake/internal/gate"
	"github.com/layercake-app/layercake/internal/job"
	"github.com/layercake-app/layercake/internal/project"
)

// member is somebody of the organization.
func member(name string) gate.Decider {
	return gate.Decider{Actor: event.Actor{Kind: "person", ID: name}, Method: gate.Session, Role: "member"}
}

func worldOn(t *testing.T, d *db.DB) *world {
	t.Helper()
	if err := job.NewQueue(d, job.Options{Logger: quiet}).Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return newWorldOn(t, d, t.TempDir())
}

func TestOfFiftyApprovalsAtOnceOneDecides(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := worldOn(t, d)
		b, err := blueprint.Load("traditional")
		w.must(err)
		w.begin(ada, everyPart, project.Project{Type: "traditional", Mode: "optional", Tier: "mvp"}, b)
		for w.rows().gate("G1").Status != gate.InReview {
			w.help(w.rows())
		}
		before, head := w.number(`SELECT COUNT(*) FROM decisions`), w.rows().project.Head
		var won, lost atomic.Int64
		var wait sync.WaitGroup
		start := make(chan struct{})
		for i := range 50 {
			wait.Go(func() {
				<-start
				decisions, err := w.flow.Approve(context.Background(), member(strings.Repeat("x", i+1)), w.project, "G1", flow.Approval{Comment: "Mine."})
				switch {
				case err == nil && len(decisions) == 1:
					won.Add(1)
				case fault.KindOf(err) == fault.KindConflict:
					lost.Add(1)
				default:
					t.Errorf("approve: %d decisions, %v", len(decisions), err)
				}
			})
		}
		close(start)
		wait.Wait()
		if won.Load() != 1 || lost.Load() != 49 {
			t.Errorf("%d approvals decided, %d were conflicts", won.Load(), lost.Load())
		}
		w.drain()
		s := w.rows()
		if n := w.number(`SELECT COUNT(*) FROM decisions`) - before; n != 1 {
			t.Errorf("%d decision rows", n)
		}
		if n := w.events("gate.approved", "G1"); n != 1 {
			t.Errorf("%d events", n)
		}
		if g := s.gate("G1"); g.Status != gate.Approved || g.Decisions != 1 {
			t.Errorf("G1 is %s after %d decisions", g.Status, g.Decisions)
		}
		if n := w.number(`SELECT COUNT(*) FROM moves WHERE from_commit = $1`, head); n != 1 {
			t.Errorf("the head moved %d times from where it was decided", n)
		}
		w.read(func(ctx context.Context, tx *db.Tx) error { return event.Verify(ctx, tx, w.project) })
		w.is("G2", gate.Pending, false)
	})
}

// quorum begins a project whose G2 takes two people. Today no project can be
// created with such a rule, so the stored blueprint is changed.
func quorum(t *testing.T, d *db.DB) *world {
	t.Helper()
	w := worldOn(t, d)
	b, err := blueprint.Parse([]byte(small))
	w.must(err)
	w.begin(ada, everyPart, project.Project{Type: "traditional", Mode: "optional", Tier: "mvp"}, b)
	b.Gates[1].Approval.Quorum = 2
	text, err := b.YAML()
	w.must(err)
	w.write(func(ctx context.Context, tx *db.Tx) error {
		_, err := tx.Exec(ctx, `UPDATE changes SET blueprint = $1`, string(text))
		return err
	})
	w.flow = &flow.Flow{DB: w.flow.DB, Queue: w.flow.Queue, Tree: w.flow.Tree, Blobs: w.flow.Blobs, Record: w.flow.Record, Model: "demo", Log: quiet}
	for w.rows().gate("G2").Status != gate.InReview {
		w.help(w.rows())
	}
	return w
}

func TestAQuorumTakesDifferentPeople(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := quorum(t, d)
		approve := func(by gate.Decider) error {
			_, err := w.flow.Approve(w.ctx, by, w.project, "G2", flow.Approval{})
			w.drain()
			return err
		}
		head := w.rows().project.Head
		w.must(approve(ada))
		if s := w.rows(); s.gate("G2").Status != gate.InReview || s.project.Head != head || s.decisions[len(s.decisions)-1].Tag != "" {
			t.Errorf("one of two approvals moved something:\n%s", w.describe())
		}
		if err := approve(ada); fault.CodeOf(err) != "decision.twice" {
			t.Errorf("the same person again: %v", err)
		}
		w.must(approve(grace))
		w.is("G2", gate.Approved, false)
	})
}

func TestPeopleOfAQuorumMayDecideAtTheSameMoment(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := quorum(t, d)
		var counted, late atomic.Int64
		var wait sync.WaitGroup
		start := make(chan struct{})
		for i := range 8 {
			wait.Go(func() {
				<-start
				_, err := w.flow.Approve(context.Background(), member(strings.Repeat("y", i+1)), w.project, "G2", flow.Approval{})
				switch {
				case err == nil:
					counted.Add(1)
				case fault.KindOf(err) == fault.KindConflict:
					late.Add(1)
				default:
					t.Errorf("approve: %v", err)
				}
			})
		}
		close(start)
		wait.Wait()
		w.drain()
		if counted.Load() != 2 || late.Load() != 6 {
			t.Errorf("%d approvals counted, %d came late", counted.Load(), late.Load())
		}
		w.is("G2", gate.Approved, false)
	})
}

func TestAChangeOnTheFastTrackIsKnownByItsWords(t *testing.T) {
	t.Parallel()
	for request, want := range map[string]bool{
		"Fix a typo in the heading":                       true,
		"Change the colour of the button":                 true,
		"change the COLORS":                               true,
		"Make the font larger":                            true,
		"More padding around the title":                   true,
		"Update the README":                               true,
		"Replace the logo":                                true,
		"Rephrase the text on the first page":             true,
		"Correct the spelling in the docs":                true,
		"":                                                false,
		"Make it better":                                  false,
		"Add a field for the colour":                      false,
		"Add a new heading":                               false,
		"Store the colour of each plant":                  false,
		"Delete the label":                                false,
		"Sort by title":                                   false,
		"Let users change the font":                       false,
		"Fix the API documentation":                       false,
		"Export the text":                                 false,
		"The colourful page crashes":                      false,
		"Change the contextual help":                      false,
		"Fix a typo. " + strings.Repeat("And more. ", 60): false,
		"Fix a typo" + strings.Repeat(".", 400-len("Fix a typo")): false,
	} {
		if got := flow.FastTrack(request); got != want {
			t.Errorf("FastTrack(%q) = %v", request, got)
		}
	}
}

func TestAmountsOfMoney(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int64{
		"5": 5_000_000, "2.50": 2_500_000, "$12": 12_000_000, " $ 0.5 \n": 500_000, "0": 0, "0.000001": 1, "1e3": 1_000_000_000, "$100.0000": 100_000_000, "1000000000": 1e15,
		"": -1, "$": -1, "-1": -1, "-0.01": -1, "NaN": -1, "inf": -1, "+Inf": -1, "five": -1, "5 USD": -1, "5,50": -1, "1.000,5": -1, "$$5": -1, "5$": -1, "1e10": -1,
		"1000000001": -1, "0.0000001": -1, "1e-300": -1,
	} {
		got, err := flow.ParseUSD(text)
		if want < 0 && fault.CodeOf(err) != "budget.invalid" || want >= 0 && (err != nil || got != want) {
			t.Errorf("ParseUSD(%q) = %d, %v; want %d", text, got, err, want)
		}
	}
}

// FuzzParseUSD looks for texts that become a budget nobody meant: a negative
// one, one beyond all bounds, or no cap at all for a text without a zero.
func FuzzParseUSD(f *testing.F) {
	for _, seed := range []string{"5", "$2.50", "-1", "NaN", "0x1p-9", "1e-7", "0", " $ 3 ", "9e99", "1_000"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		micro, err := flow.ParseUSD(text)
		if err != nil {
			if fault.KindOf(err) != fault.KindInvalid || micro != 0 {
				t.Fatalf("ParseUSD(%q) = %d, %v", text, micro, err)
			}
			return
		}
		if micro < 0 || micro > 1e15 {
			t.Fatalf("ParseUSD(%q) = %d", text, micro)
		}
		if micro == 0 && strings.ContainsAny(text, "123456789") && !strings.ContainsAny(text, "eExXpP") {
			t.Fatalf("ParseUSD(%q) lifts the cap", text)
		}
	})
}
