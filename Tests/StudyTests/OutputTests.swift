import Foundation
import FoundationXML
import Testing

@testable import Report
@testable import Study

@Suite struct OutputTests {
  private func rows(_ csv: String) -> [[String]] {
    csv.split(separator: "\n").map {
      $0.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
    }
  }

  @Test func aRowAPointAndRepeatWithParametersFirst() throws {
    let study = Samples.finished(
      try Samples.study(["cpus=1,2", "params.size=64B,96B"], repeats: 2))
    let rows = rows(StudyCSV.render(study))
    #expect(rows.count == 9)
    #expect(Set(rows.map(\.count)).count == 1)
    #expect(rows[0].prefix(5) == ["cpus", "params.size", "repeat", "run_seed", "status"])
    #expect(rows[4].prefix(5) == ["1", "96B", "2", "2", "ok"])
    func cell(_ row: Int, _ name: String) throws -> String {
      rows[row][try #require(rows[0].firstIndex(of: name))]
    }
    #expect(try cell(1, "lock_wait_ns") == "12.5")
    #expect(try cell(1, "tlb_ipis_sent") == "6")
    #expect(try cell(1, "cpu_time_slab_share") == "0.75")
    #expect(try cell(3, "main_operation") == "kmalloc(96)")
    #expect(try cell(3, "main_throughput_per_s") == "2000001")
    #expect(try cell(3, "kmalloc(96).latency_p50_ns") == "2.5")
    #expect(try cell(3, "kmalloc(64).count") == "")
    #expect(try cell(1, "counter.pgfree") == "7")
    // The host's clock is not among the results.
    #expect(!rows[0].contains { $0.contains("wall") || $0.contains("events_per_s") })
  }

  @Test func cellsWithCommasAreQuoted() throws {
    let study = Samples.finished(try Samples.study(["threads.storm.on=[0, 1],all"]))
    #expect(StudyCSV.render(study).contains("\n\"[0, 1]\",1,"))
  }

  @Test func noLineIsLongerThan80Columns() throws {
    let machines = "machine=package:2 l3:2 core:4 pu:1,package:4 numa:2 l3:8 core:16 pu:1"
    for axes in [["cpus=1,2"], [machines], [machines, "costs=generic-x86,epyc-7r13", "seed=1,9"]] {
      let study = Samples.finished(try Samples.study(axes, repeats: 3))
      for text in [StudyText.render(study), StudyText.render(study, isVerbose: true)] {
        for line in text.split(separator: "\n") { #expect(line.count <= 80, "\(line)") }
      }
    }
  }

  @Test func medianAndSpreadOfRepeats() throws {
    let band = try #require(StudyStatistics.band([5, 1, 2]))
    #expect((band.low, band.middle, band.high) == (1, 2, 5))
    #expect(StudyStatistics.band([4, 2])?.middle == 3)
    #expect(StudyStatistics.band([]) == nil)
  }

  @Test func aLineForEachCombinationOfTheOtherAxes() throws {
    let study = Samples.finished(
      try Samples.study(["cpus=1,2,8", "params.size=64B,96B", "seed=1,9"], repeats: 2))
    let chart = StudyChart.chart(study)
    #expect(chart.axis.places.map(\.number) == [1, 2, 8])
    #expect(chart.lines.count == 4)
    #expect(chart.lines[1] == "params.size 64B, seed 9")
    #expect(chart.panels.map(\.bands.count) == [4, 4])
    // Point (cpus 2, size 96B, seed 9) is the 8th of 12.
    let band = try #require(chart.panels[0].bands[3][1])
    #expect(band.low == 8_000_009 && band.high == 8_000_010)
  }

  private final class Counter: NSObject, XMLParserDelegate {
    var elements: [String: Int] = [:]
    func parser(
      _ parser: XMLParser, didStartElement name: String, namespaceURI: String?,
      qualifiedName: String?, attributes: [String: String]
    ) { elements[name, default: 0] += 1 }
  }

  @Test func theChartIsWellFormedAndStatic() throws {
    let study = Samples.finished(try Samples.study(["params.size=64B,96B,4KiB", "cpus=2,4"]))
    let text = StudyChart.render(study)
    let counter = Counter()
    let parser = XMLParser(data: Data(text.utf8))
    parser.delegate = counter
    #expect(parser.parse())
    // Two panels of two lines, and the legend's two.
    #expect(counter.elements["polyline"] == 6)
    #expect(counter.elements["script"] == nil)
    #expect(text.contains("prefers-color-scheme: dark"))
    #expect(!text.contains("http://") || text.contains("http://www.w3.org/2000/svg"))
  }
}
