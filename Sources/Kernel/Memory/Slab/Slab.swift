/// One slab.
package struct Slab: BitwiseCopyable {
}
