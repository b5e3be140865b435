package app_test

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// ideas are what people may type; the first runs everywhere (another in
// `make e2e`), the rest in `make soak`.
var ideas = []struct{ name, idea, entity string }{
	{"plants", "A tool to track the plants I own and when I last watered them", "Plant"},
	{"ladder", "a chess club ladder", ""},
	{"invoices", "Invoices for freelancers: who owes me how much, and what is overdue", "Invoice"},
	{"recipes", "Kochrezepte mit Zutaten", ""},
	{"one word", "bookmarks", "Bookmark"},
	{"emoji", "🌱🌱🌱", ""},
	{"chinese", "记录我读过的书和评分", ""},
	{"punctuation", "?!…", ""},
	{"long", strings.Repeat("I lend books to friends and want to know who has which book and since when. ", 320), "Book"},
	{"habits", "Track my habits and how many days in a row I kept each", "Habit"},
	{"inventory", "An inventory of our workshop: tools, where they are, who has borrowed them", "Tool"},
	{"markup", "<script>alert(1)</script> `rm -rf /` {{template}} \"quotes\" and 'more'", ""},
}

// ideaLimit is what one idea may take while all of them run at once. Only a soak
// run, with the machine to itself, holds them to it.
const ideaLimit = 150 * time.Second

// An idea's words decide what is built, and what is built passes its own
// checks on a fresh clone.
func TestIdeasBecomeVerifiedRepositories(t *testing.T) {
	t.Parallel()
	list := ideas[:1]
	if soak() {
		list = ideas
	}
	for _, c := range list {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t)
			began := time.Now()
			a := p.idea(c.idea)
			a.want(t, 0, "completed")
			took := time.Since(began).Round(time.Second)
			t.Logf("%s took %s", c.name, took)
			if soak() && took > ideaLimit {
				t.Errorf("%s took %s, more than %s", c.name, took, ideaLimit)
			}
			for _, code := range []string{"G0", "G1", "G2", "G3", "G4", "G5", "G6", "G7", "G8"} {
				if g := a.gate(code); g.Status != "APPROVED" || g.Method != "delegated" {
					t.Errorf("%s is %+v", code, g)
				}
			}
			if g := a.gate("G9"); g.Status != "SKIPPED" || g.Reason == "" {
				t.Errorf("G9 is %+v", g)
			}
			if !strings.Contains(a.result.Model, "templates, not AI") {
				t.Errorf("the demo model calls itself %q", a.result.Model)
			}
			clone := freshClone(t, p.out)
			tags := strings.Fields(inside(t, clone, "git", "tag"))
			for _, code := range []string{"G0", "G1", "G2", "G3", "G4", "G5", "G6", "G7", "G8"} {
				if !slices.Contains(tags, "gate/"+code) {
					t.Errorf("the tag gate/%s is missing from %v", code, tags)
				}
			}
			model := read(t, clone, "specs/data-model.yaml")
			if c.entity != "" && !strings.Contains(model, c.entity) {
				t.Errorf("the data model knows no %s:\n%s", c.entity, model)
			}
			if v := p.run("verify", clone); v.code != 0 {
				t.Errorf("verify: exit %d\n%s", v.code, v.stdout)
			}
			if v := p.run("verify", p.data); v.code != 0 {
				t.Errorf("verify of the data folder: exit %d\n%s", v.code, v.stdout)
			}
			if v := p.run("verify", "--require-human", clone); v.code != 1 || !strings.Contains(lastLine(v.stdout), "AUTO-APPROVED") {
				t.Errorf("verify --require-human: exit %d\n%s", v.code, v.stdout)
			}
			if c.name == "plants" {
				tamper(t, p, p.out)
			}
			// The same command again finds its work done.
			p.idea(c.idea).want(t, 0, "completed")
		})
	}
}

func lastLine(s string) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return lines[len(lines)-1]
}

// A second change runs through gates of its own, and keeps what was there.
func TestSecondChange(t *testing.T) {
	t.Parallel()
	wholeRun(t)
	p := newPlace(t)
	p.idea("bookmarks").want(t, 0, "completed")
	first := read(t, p.out, "specs/data-model.yaml")
	second := newPlace(t)
	second.data = p.data
	a := second.run("run", "Also keep a rating for each bookmark", "--change", "bookmarks", "--auto-approve", "--json", "--out", second.out)
	a.want(t, 0, "completed")
	if a.result.Change != 2 {
		t.Errorf("it is change %d", a.result.Change)
	}
	clone := freshClone(t, second.out)
	now := read(t, clone, "specs/data-model.yaml")
	if now == first || !strings.Contains(strings.ToLower(now), "rating") {
		t.Errorf("the data model did not get the rating:\n%s", now)
	}
	tags := strings.Fields(inside(t, clone, "git", "tag"))
	if !slices.Contains(tags, "c2/gate/G6") || !slices.Contains(tags, "gate/G6") {
		t.Errorf("tags are %v", tags)
	}
	if v := p.run("verify", clone); v.code != 0 {
		t.Errorf("verify: exit %d\n%s", v.code, v.stdout)
	}
	// A change of style takes the fast track, but not past the tests.
	third := newPlace(t)
	third.data = p.data
	fast := third.run("run", "Make the heading colour green", "--change", "bookmarks", "--auto-approve", "--json", "--out", third.out)
	fast.want(t, 0, "completed")
	for _, code := range []string{"G1", "G2", "G3", "G4", "G7"} {
		if g := fast.gate(code); g.Status != "SKIPPED" || g.Reason == "" {
			t.Errorf("%s is %+v", code, g)
		}
	}
	if g := fast.gate("G6"); g.Status != "APPROVED" {
		t.Errorf("G6 is %+v", g)
	}
	freshClone(t, third.out)
}

// In the mode that goes to production, the last word is a person's.
func TestProductionWaitsForAPerson(t *testing.T) {
	t.Parallel()
	wholeRun(t)
	p := newPlace(t)
	a := p.idea("bookmarks", "--mode", "required", "--blueprint", "express")
	a.want(t, 3, "waiting")
	if g := a.gate("G9"); g.Status != "PENDING" {
		t.Errorf("G9 is %+v", g)
	}
	if !strings.Contains(a.result.Reason, "nobody has confirmed") {
		t.Errorf("reason: %s", a.result.Reason)
	}
}
