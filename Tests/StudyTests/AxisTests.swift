import Scenario
import Testing

@testable import Study

@Suite struct AxisTests {
  @Test func commasSeparateValuesButNotWithinBrackets() throws {
    #expect(try StudyAxis.parse("cpus=1,2,4").values == ["1", "2", "4"])
    #expect(try StudyAxis.parse("params.on=[0, 1],{node: 1}").values == ["[0, 1]", "{node: 1}"])
    #expect(
      try StudyAxis.parse("machine=pu:1, package:2 core:4").values == ["pu:1", "package:2 core:4"])
    #expect(try StudyAxis.parse("params.a=\"x,y\",z").values == ["\"x,y\"", "z"])
    #expect(try StudyAxis.parse("params.a=b=c").values == ["b=c"])
  }

  @Test(arguments: ["cpus", "=1", "cpus=", "cpus=1,,2", "cpus=1,2,1"])
  func badAxesAreRefused(_ text: String) {
    #expect(throws: StudyError.self) { try StudyAxis.parse(text) }
  }

  @Test func valuesInOneUnitAreNumbers() throws {
    #expect(try StudyAxis.parse("params.size=64B,4KiB").numbers == [64, 4096])
    #expect(try StudyAxis.parse("cpus=1,16").numbers == [1, 16])
    #expect(try StudyAxis.parse("params.t=1ns,1us").numbers == [1000, 1_000_000])
    #expect(try StudyAxis.parse("params.x=64B,1us").numbers == nil)
    #expect(try StudyAxis.parse("machine=pu:1,pu:2").numbers == nil)
  }

  /// 6.12 came after 6.9.
  @Test func releasesAreNames() throws {
    #expect(try StudyAxis.parse("kernel=6.9,6.12").numbers == nil)
    #expect(try StudyAxis.parse("kernel.version=6.9,6.12").numbers == nil)
  }

  @Test func theLastAxisChangesFastest() throws {
    let plan = try Samples.plan(["cpus=1,2", "params.size=64B,96B,128B"])
    #expect(
      plan.points.map(\.values) == [
        ["1", "64B"], ["1", "96B"], ["1", "128B"], ["2", "64B"], ["2", "96B"], ["2", "128B"],
      ])
  }

  @Test func oneKeyCannotBeVariedTwice() {
    #expect(throws: StudyError.self) { try Samples.plan(["cpus=1,2", "machine.cpus=4"]) }
    #expect(throws: StudyError.self) { try Samples.plan(["kernel=6.12", "kernel.version=6.1"]) }
  }

  @Test func limitsHaveErrors() throws {
    let many = "params.a=" + (0..<4000).map { "\($0)" }.joined(separator: ",")
    #expect(throws: StudyError.self) { try Samples.plan([many], repeats: 26) }
    #expect(throws: StudyError.self) { try Samples.plan(["cpus=1"], repeats: 0) }
    #expect(throws: StudyError.self) {
      try StudyAxis.parse("a=" + (0...StudyLimits.valuesMax).map { "\($0)" }.joined(separator: ","))
    }
  }

  /// The line that `study.json` gives for replaying a run.
  @Test func argumentsAreThoseOfRun() throws {
    var base = Overrides()
    (base.machine, base.cpus, base.sets) = ("pu:4", "2", ["run.duration=1ms"])
    let plan = try StudyPlan(
      scenario: "kmalloc-storm", base: base,
      axes: [try StudyAxis.parse("cpus=1,4"), try StudyAxis.parse("params.size=64B")])
    #expect(
      plan.arguments(at: plan.points[1], seed: 7) == [
        "run", "kmalloc-storm", "--machine", "pu:4", "--set", "run.duration=1ms", "--cpus", "4",
        "--set", "params.size=64B", "--seed", "7",
      ])
    #expect(plan.overrides(at: plan.points[1]).cpus == "4")
  }
}
