import hooks from "eslint-plugin-react-hooks";
import tseslint from "typescript-eslint";

/** `app → features → components → lib`; features never import features. */
const zone = (files, forbidden, message) => ({
  files,
  rules: {
    "no-restricted-imports": ["error", { patterns: [{ regex: forbidden, message }] }],
  },
});

const features = ["auth", "settings", "admin", "chat", "sidebar", "shared", "status"];

export default tseslint.config(
  { ignores: ["dist", "node_modules", "src/lib/api/schema.d.ts", "dev", "public"] },
  ...tseslint.configs.strict,
  {
    // The two rules about hooks that find mistakes; the others serve the React compiler, which is not used here.
    plugins: { "react-hooks": hooks },
    rules: { "react-hooks/rules-of-hooks": "error", "react-hooks/exhaustive-deps": "error" },
  },
  {
    files: ["src/**/*.{ts,tsx}"],
    rules: {
      "max-lines": ["error", { max: 400, skipBlankLines: true, skipComments: true }],
      "no-restricted-globals": ["error", "name", "event"],
      "no-console": "error",
      eqeqeq: ["error", "smart"],
      "@typescript-eslint/no-non-null-assertion": "off",
      "@typescript-eslint/no-unused-vars": ["error", { argsIgnorePattern: "^_", varsIgnorePattern: "^_$" }],
      "@typescript-eslint/no-confusing-void-expression": "off",
      "@typescript-eslint/consistent-type-imports": "error",
    },
  },
  {
    files: ["src/**/*.tsx"],
    rules: {
      "max-lines": ["error", { max: 200, skipBlankLines: true, skipComments: true }],
      "no-restricted-syntax": [
        "error",
        {
          selector: "CallExpression[callee.name='fetch']",
          message: "Components draw. Put calls into the feature's api.ts.",
        },
      ],
    },
  },
  zone(["src/lib/**"], "^@/(app|features|components)(/|$)", "lib imports nothing above it."),
  zone(["src/components/**"], "^@/(app|features)(/|$)", "components import only lib."),
  ...features.map((name) =>
    zone(
      [`src/features/${name}/**`],
      `^@/(app|features/(?!${name}(/|$)))`,
      "A feature imports components and lib, never another feature or app.",
    ),
  ),
);
