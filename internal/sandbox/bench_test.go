//go:build linux

package sandbox

import (
	"os/exec"
	"slices"
	"testing"
	"time"
)

// BenchmarkRun reports, as medians, what a sandbox adds to starting a program.
func BenchmarkRun(b *testing.B) {
	open(b)
	var plain, boxed []time.Duration
	for b.Loop() {
		begin := time.Now()
		if err := exec.CommandContext(b.Context(), "true").Run(); err != nil {
			b.Fatal(err)
		}
		plain = append(plain, time.Since(begin))
		begin = time.Now()
		run(b, Spec{Argv: []string{"true"}})
		boxed = append(boxed, time.Since(begin))
	}
	b.ReportMetric(median(plain), "plain-ms")
	b.ReportMetric(median(boxed), "sandbox-ms")
	b.ReportMetric(median(boxed)-median(plain), "added-ms")
}

func median(d []time.Duration) float64 {
	slices.Sort(d)
	return float64(d[len(d)/2].Microseconds()) / 1000
}
