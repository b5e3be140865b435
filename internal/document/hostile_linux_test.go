package document_test

import (
	"fmt"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/layercake-app/layercake/internal/document"
)

// cpu measures the processor time of this thread only, so that a busy machine
// does not count.
func cpu(t *testing.T, fn func()) time.Duration {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var before, after syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_THREAD, &before); err != nil {
		t.Fatal(err)
	}
	fn()
	if err := syscall.Getrusage(syscall.RUSAGE_THREAD, &after); err != nil {
		t.Fatal(err)
	}
	return time.Duration(after.Utime.Nano() - before.Utime.Nano())
}

// A file four times as long takes about four times as long, whatever is in it;
// quadratic work takes sixteen times as long.
func TestHostileFilesCostNoMoreThanTheirSize(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		kind    string
		content func(n int) string
	}{
		"comments":    {"markdown", func(n int) string { return strings.Repeat("<!---->", n) }},
		"open":        {"markdown", func(n int) string { return strings.Repeat("x <!-- ", n) }},
		"backquotes":  {"markdown", runsOfBackquotes},
		"todo":        {"markdown", func(n int) string { return strings.Repeat("TODO list ", n) + " DONE" }},
		"rules":       {"markdown", func(n int) string { return strings.Repeat("-", 8*n) }},
		"quote marks": {"markdown", func(n int) string { return strings.Repeat("> ", 4*n) }},
		"headings":    {"prd", func(n int) string { return numbered("# a\n## F-%d\n", n) }},
		"questions":   {"intake", func(n int) string { return strings.Repeat("## 1. a\n", n) }},
		"stories":     {"user_stories", func(n int) string { return numbered("## US-%d\n", n) }},
		"criteria":    {"user_stories", func(n int) string { return "## US-1 x\n" + numbered("- AC-1.%d: x\n", n) }},
		"bars": {"test_plan", func(n int) string {
			return "## Traceability\n|Criterion|Test|Level|\n|-|-|-|\n" + numbered("|AC-1.1|TestAC_1_1_%d|unit|\n", n)
		}},
		"tags":      {"design", func(n int) string { return strings.Repeat("<a src=//x>", n) }},
		"open tags": {"design", func(n int) string { return strings.Repeat("<a \"", 2*n) }},
		"fields":    {"data_model", func(n int) string { return "entities:\n- name: A\n  fields:\n" + numbered("  - {name: f%d}\n", n) }},
		"lines":     {"dockerfile", func(n int) string { return strings.Repeat("ARG a\n", n) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			check := func(n int) time.Duration {
				content := []byte(c.content(n))
				return cpu(t, func() {
					if got := document.Validate(c.kind, "x", []string{"Overview"}, content); len(got) == 0 || len(got) > 50 {
						t.Errorf("%d problems", len(got))
					}
				})
			}
			const slack = 30 * time.Millisecond // what the clock and the collector add
			var small, large time.Duration
			for range 4 { // a single try can be unlucky
				small, large = check(4_000), check(16_000)
				if large < 9*small+slack {
					return
				}
			}
			t.Errorf("four times the size took %s instead of %s", large, small)
		})
	}
}

func numbered(format string, n int) string {
	var out strings.Builder
	for i := range n {
		fmt.Fprintf(&out, format, i+1)
	}
	return out.String()
}

func runsOfBackquotes(n int) string {
	var ticks strings.Builder
	for i := 1; ticks.Len() < 8*n; i++ {
		ticks.WriteString(strings.Repeat("`", i) + " ")
	}
	return ticks.String()
}

// The deepest nesting a parser might be made to follow ends in an answer.
func TestDeepNestingIsRefused(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"openapi", "data_model", "checks", "workflow"} {
		for _, content := range []string{strings.Repeat("[", 9_000), strings.Repeat("- ", 9_000) + "x", strings.Repeat("{a: ", 300) + strings.Repeat("}", 300)} {
			if got := document.Validate(kind, "x", nil, []byte(content)); len(got) == 0 {
				t.Errorf("%s: no problem", kind)
			}
		}
	}
}
