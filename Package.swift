// swift-tools-version: 6.2
import PackageDescription

let settings: [SwiftSetting] = [
  .swiftLanguageMode(.v6), .strictMemorySafety(), .treatAllWarnings(as: .error),
]

/// A module of ours. The order of the list below is the order of the layers, bottom first.
func module(
  _ name: String, uses dependencies: [Target.Dependency] = [], resources: [Resource] = []
) -> Target {
  .target(
    name: name, dependencies: dependencies, resources: resources, swiftSettings: settings)
}

/// Tests may say unsafe things about files and processes: strict memory safety is for the product.
func tests(
  _ name: String, of dependencies: [Target.Dependency], data: [String] = [],
  resources: [Resource] = []
) -> Target {
  .testTarget(
    name: name, dependencies: dependencies, exclude: data, resources: resources,
    swiftSettings: [.swiftLanguageMode(.v6), .treatAllWarnings(as: .error)])
}

let arguments = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")
let yams = Target.Dependency.product(name: "Yams", package: "Yams")

let package = Package(
  name: "kmemu",
  products: [.executable(name: "kmemu", targets: ["kmemu"])],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
  ],
  targets: [
    .systemLibrary(name: "CHwloc", pkgConfig: "hwloc", providers: [.apt(["libhwloc-dev"])]),
    .systemLibrary(name: "CNuma", pkgConfig: "numa", providers: [.apt(["libnuma-dev"])]),
    .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
    .systemLibrary(name: "CPrefetch"),
    module("Simulation", uses: ["CPrefetch"]),
    module("Topology"),
    module("HostTopology", uses: ["Topology", "CHwloc", "CNuma"]),
    module("Timeline", uses: ["Simulation"]),
    module(
      "Hardware", uses: ["Simulation", "Topology"],
      resources: [.embedInCode("Costs/Files"), .embedInCode("CPUs/Files")]),
    module("Kernel", uses: ["Hardware", "Simulation", "Topology"]),
    module("Run", uses: ["Kernel", "Hardware", "Simulation", "Topology"]),
    module(
      "Scenario", uses: ["Run", "Kernel", "Hardware", "HostTopology", "Topology", yams],
      resources: [.embedInCode("Examples")]),
    module("Report", uses: ["Run", "Kernel", "Timeline", "Topology"]),
    module("Study", uses: ["Scenario", "Run", "Report"]),
    .executableTarget(
      name: "kmemu",
      dependencies: [
        "Study", "Report", "Scenario", "Run", "Kernel", "Hardware", "Timeline", "HostTopology",
        "Topology", "Simulation", "CZlib", arguments,
      ], swiftSettings: settings),
    .executableTarget(
      name: "bench",
      dependencies: [
        "Scenario", "Run", "Timeline", "Kernel", "Hardware", "HostTopology", "Topology",
        "Simulation", arguments,
      ],
      swiftSettings: settings),
    tests("SimulationTests", of: ["Simulation"]),
    tests("TopologyTests", of: ["Topology", "HostTopology"], data: ["Files"]),
    tests("HardwareTests", of: ["Hardware"]),
    tests("KernelTests", of: ["Kernel"]),
    tests("TimelineTests", of: ["Timeline", "Simulation", "kmemu"]),
    tests(
      "ScenarioTests", of: ["Scenario", "Run", "Kernel", "HostTopology", "Topology", "Simulation"]),
    tests(
      "ReportTests",
      of: ["Report", "Run", "Kernel", "Hardware", "Simulation", "HostTopology", "Topology"]),
    tests(
      "StudyTests",
      of: [
        "Study", "Report", "Scenario", "Run", "Kernel", "Hardware", "HostTopology", "Topology",
        "Simulation",
      ]),
    tests("ModelTests", of: ["Kernel", "Hardware", "Simulation"]),
    tests(
      "FidelityTests", of: ["Run", "Kernel", "Hardware", "Simulation", "Topology"],
      resources: [.embedInCode("Data")]),
    tests("GoldenTests", of: ["Scenario", "Run", "HostTopology", "Topology"]),
    tests(
      "DeterminismTests",
      of: ["Report", "Scenario", "Run", "Kernel", "HostTopology", "Topology", "Simulation"]),
    tests("CommandTests", of: ["kmemu"]),
    tests("TidyTests", of: []),
  ]
)
