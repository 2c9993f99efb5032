import { z } from 'zod'

const PackageFacts = z.object({ name: z.string(), version: z.string().optional(), bytes: z.int() })

/** What was decided about the code of one function, and how large the result is. Sizes are in bytes. */
export const BundleFacts = z.object({
  /** What the code runs on, if that is not the platform's own: `Node 22`. */
  runsOn: z.string().optional(),
  /** The code of the function, its packages and the runtime, in one file. */
  bundleBytes: z.int(),
  /** Packages in it, the largest first. */
  bundled: z.array(PackageFacts),
  /** Packages in `node_modules` beside it; what the code imports comes before what these need. */
  unbundled: z.array(
    PackageFacts.extend({
      /** Continues “x is not bundled: it …”. */
      why: z.string(),
      native: z.boolean(),
      /** Only because this other one needs it. */
      neededBy: z.string().optional(),
    }),
  ),
  /** Further files that the function can read. */
  files: z.object({ count: z.int(), bytes: z.int() }),
  /** All of it, with the source map. */
  totalBytes: z.int(),
})
export type BundleFacts = z.infer<typeof BundleFacts>
