package bench

import (
	"fmt"
	"html"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Plots are the SVG images of a report by file name: the ratio of each scenario
// with its bar, and latency over time of those that tell it. They are written by
// hand: two kinds of plot need no library.
func Plots(report Report) map[string]string {
	plots := make(map[string]string)
	if svg := ratioPlot(report.Results); svg != "" {
		plots["ratio.svg"] = svg
	}
	for _, r := range report.Results {
		if len(r.OverTime) > 0 {
			plots[plotName(r)] = latencyPlot(r)
		}
	}
	return plots
}

func plotName(r *Result) string { return r.Scenario + "-" + r.Store + ".svg" }

// WritePlots writes the images of a report into a folder, which is made.
func WritePlots(dir string, report Report) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	for name, svg := range Plots(report) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(svg), 0o666); err != nil {
			return err
		}
	}
	return nil
}

// image is an SVG being drawn. Coordinates are pixels from the upper left.
type image struct {
	strings.Builder
}

const plotWidth = 760

func newImage(height float64, title string) *image {
	im := &image{}
	fmt.Fprintf(im, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %s" font-family="sans-serif" font-size="12" fill="#1d2733">`+"\n",
		plotWidth, pixel(height))
	fmt.Fprintf(im, `<title>%s</title>`+"\n"+`<rect width="%d" height="%s" fill="#fff"/>`+"\n", html.EscapeString(title), plotWidth, pixel(height))
	im.text(place{16, 24, "start"}, title)
	return im
}

func (im *image) end() string {
	im.WriteString("</svg>\n")
	return im.String()
}

// pixel shows a coordinate with a digit after the point where it has one.
func pixel(v float64) string {
	return strings.TrimSuffix(fmt.Sprintf("%.1f", v), ".0")
}

// place is where a text begins, ends or has its middle.
type place struct {
	x, y   float64
	anchor string
}

func (im *image) text(at place, s string) {
	fmt.Fprintf(im, `<text x="%s" y="%s" text-anchor="%s">%s</text>`+"\n", pixel(at.x), pixel(at.y), at.anchor, html.EscapeString(s))
}

func (im *image) line(from, to [2]float64, style string) {
	fmt.Fprintf(im, `<line x1="%s" y1="%s" x2="%s" y2="%s" %s/>`+"\n", pixel(from[0]), pixel(from[1]), pixel(to[0]), pixel(to[1]), style)
}

func (im *image) rect(from, size [2]float64, color string) {
	fmt.Fprintf(im, `<rect x="%s" y="%s" width="%s" height="%s" fill="%s"/>`+"\n", pixel(from[0]), pixel(from[1]), pixel(size[0]), pixel(size[1]), color)
}

func (im *image) path(points [][2]float64, style string) {
	im.WriteString(`<polyline fill="none" points="`)
	for i, p := range points {
		if i > 0 {
			im.WriteByte(' ')
		}
		im.WriteString(pixel(p[0]) + "," + pixel(p[1]))
	}
	fmt.Fprintf(im, `" %s/>`+"\n", style)
}

// plotColors tell lines and stores apart, also for those who see few colours.
var plotColors = [...]string{"#2166ac", "#e08214", "#4d9221", "#8c510a"}

func storeColor(name string) string {
	if name == Postgres {
		return plotColors[1]
	}
	return plotColors[0]
}

const gridStyle = `stroke="#d5dbe1" stroke-width="1"`

// ratioPlot shows the ratio of each scenario that has one, with a mark at the
// bar; "" where none has.
func ratioPlot(results []*Result) string {
	var list []*Result
	for _, r := range results {
		if r.Ratio > 0 {
			list = append(list, r)
		}
	}
	if len(list) == 0 {
		return ""
	}
	const left, right, top, step = 110.0, 60.0, 56.0, 24.0
	bottom := top + step*float64(len(list))
	most := 1.0
	for _, r := range list {
		most = max(most, math.Ceil(r.Ratio*10)/10)
	}
	im := newImage(bottom+36, "Deliveries per second, as a part of the raw ceiling; the mark is the bar")
	x := func(v float64) float64 { return left + v/most*(plotWidth-left-right) }
	for v := 0.0; v <= most+0.01; v += 0.2 {
		im.line([2]float64{x(v), top - 8}, [2]float64{x(v), bottom}, gridStyle)
		im.text(place{x(v), bottom + 18, "middle"}, fmt.Sprintf("%.1f", v))
	}
	for i, r := range list {
		y := top + step*float64(i)
		im.text(place{left - 8, y + 13, "end"}, r.Scenario+" "+r.Store)
		im.rect([2]float64{left, y + 2}, [2]float64{x(r.Ratio) - left, step - 8}, storeColor(r.Store))
		im.text(place{x(r.Ratio) + 6, y + 14, "start"}, fmt.Sprintf("%.2f", r.Ratio))
		for _, b := range r.Bars {
			if b.AtLeast && strings.HasPrefix(b.What, "ratio") {
				im.line([2]float64{x(b.Limit), y - 1}, [2]float64{x(b.Limit), y + step - 3}, `stroke="#b2182b" stroke-width="3"`)
			}
		}
	}
	return im.end()
}

// roundStep is the least of 1, 2, 5, 10, 20, 50, … that is not below v.
func roundStep(v float64) float64 {
	for tens := 1.0; ; tens *= 10 {
		for _, step := range []float64{1, 2, 5} {
			if step*tens >= v {
				return step * tens
			}
		}
	}
}

// latencyPlot shows p50 and p99 over time on a logarithmic scale.
func latencyPlot(r *Result) string {
	const left, right, top, height = 70.0, 20.0, 76.0, 260.0
	least, most, last := math.Inf(1), 0.0, 0.0
	for _, spans := range r.OverTime {
		for _, s := range spans {
			least, most, last = min(least, max(s.P50, 0.01)), max(most, s.P99), max(last, s.At)
		}
	}
	low, high := math.Floor(math.Log10(least)), math.Ceil(math.Log10(max(most, least*1.01)))
	high = max(high, low+1)
	im := newImage(top+height+48, fmt.Sprintf("%s on %s: latency in ms over seconds, p50 and (dashed) p99", r.Scenario, r.Store))
	x := func(at float64) float64 { return left + at/max(last, 0.001)*(plotWidth-left-right) }
	y := func(ms float64) float64 {
		return top + height*(1-(math.Log10(max(ms, 0.01))-low)/(high-low))
	}
	for d := low; d <= high; d++ {
		v := math.Pow(10, d)
		im.line([2]float64{left, y(v)}, [2]float64{plotWidth - right, y(v)}, gridStyle)
		im.text(place{left - 8, y(v) + 4, "end"}, fmt.Sprintf("%g", v))
	}
	for at, step := 0.0, roundStep(last/7); at <= last; at += step {
		im.text(place{x(at), top + height + 20, "middle"}, fmt.Sprintf("%.0f", at))
	}
	for i, name := range slices.Sorted(maps.Keys(r.OverTime)) {
		color := plotColors[i%len(plotColors)]
		at := left + float64(i)*200
		im.rect([2]float64{at, 42}, [2]float64{14, 8}, color)
		im.text(place{at + 20, 51, "start"}, name)
		var p50, p99 [][2]float64
		for _, s := range r.OverTime[name] {
			p50, p99 = append(p50, [2]float64{x(s.At), y(s.P50)}), append(p99, [2]float64{x(s.At), y(s.P99)})
		}
		im.path(p50, `stroke="`+color+`" stroke-width="2"`)
		im.path(p99, `stroke="`+color+`" stroke-width="1.5" stroke-dasharray="5 3"`)
	}
	return im.end()
}
