import Testing

@testable import Report

@Suite struct ChartTests {
  private func places(_ numbers: [Double?]) -> [Chart.Place] {
    numbers.map { Chart.Place(label: "x", number: $0) }
  }

  @Test func placesThatSpanFourfoldAreLogarithmic() {
    let wide = ChartScale.places(places([1, 2, 4]))
    #expect(wide.isLogarithmic)
    #expect(abs(wide.place(of: 2) - 0.5) < 1e-9)
    let narrow = ChartScale.places(places([10, 20, 39]))
    #expect(!narrow.isLogarithmic)
    #expect(!ChartScale.places(places([0, 1, 64])).isLogarithmic)
  }

  @Test func namesStandAtEqualDistances() {
    let scale = ChartScale.places(places([1, nil, 64]))
    let steps = [0.0, 1, 2].map { scale.place(of: $0) }
    #expect(abs((steps[1] - steps[0]) - (steps[2] - steps[1])) < 1e-9)
  }

  @Test(arguments: [0.003, 1, 7, 42, 999, 1_234_567])
  func valueAxesHoldTheirValues(_ most: Double) {
    let scale = ChartScale.values([most / 3, most])
    #expect(scale.place(of: most) <= 1 && scale.place(of: most) > 0.7)
    #expect(scale.place(of: 0) == 0)
    #expect((2...8).contains(scale.ticks.count))
  }

  @Test func valuesFarApartAreLogarithmic() {
    let scale = ChartScale.values([3, 40_000])
    #expect(scale.isLogarithmic)
    #expect(scale.place(of: 3) >= 0 && scale.place(of: 40_000) <= 1)
    #expect((2...14).contains(scale.ticks.count))
  }

  @Test func noValuesNoTrouble() {
    #expect(ChartScale.values([]).ticks == [0])
    #expect(ChartScale.values([0, 0]).place(of: 0) == 0)
    let empty = Chart(
      title: "", subtitle: "", axis: .init(title: "", places: []), lines: [""],
      panels: [.init(title: "", unit: .perSecond, bands: [[]])])
    #expect(ChartSVG.render(empty).hasSuffix("</svg>\n"))
  }

  /// What is not known is not drawn over.
  @Test func aMissingPointBreaksTheLine() {
    let band = Chart.Band(low: 1, middle: 2, high: 3)
    let chart = Chart(
      title: "t", subtitle: "s", axis: .init(title: "n", places: places([1, 2, 4, 8, 16])),
      lines: ["a"],
      panels: [.init(title: "p", unit: .nanoseconds, bands: [[band, band, nil, band, band]])])
    let text = ChartSVG.render(chart)
    #expect(text.components(separatedBy: "<polyline class=\"line").count - 1 == 2)
    #expect(text.components(separatedBy: "<circle").count - 1 == 4)
  }

  @Test func textIsEscaped() {
    #expect(SVG.escaped("a<b & \"c\">\u{1}") == "a&lt;b &amp; &quot;c&quot;&gt; ")
    #expect(SVG.number(-0.04) == "0")
    #expect(SVG.number(12.34) == "12.3")
    #expect(SVG.number(1.999, decimals: 2) == "2")
    #expect(Chart.Unit.nanoseconds.label(1500) == "1.5 µs")
    #expect(Chart.Unit.perSecond.label(20_000_000) == "20 M/s")
  }
}
