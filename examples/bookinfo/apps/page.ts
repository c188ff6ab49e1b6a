// The HTML of Bookinfo's productpage. Scripts that watch Bookinfo look for its title, its texts and `font color`.

export interface Book {
  readonly id: number;
  readonly title: string;
  readonly descriptionHtml: string;
}

interface Review {
  readonly reviewer: string;
  readonly text: string;
  readonly rating?: { readonly stars?: number; readonly color?: string; readonly error?: string };
}

export interface Answer {
  readonly status: number;
  readonly body: unknown;
}

export interface ProductPage {
  readonly book: Book;
  /** '' = nobody signed in. */
  readonly user: string;
  readonly details: Answer;
  readonly reviews: Answer;
  /** How many there are, or why that is not known; '': nobody counts them. */
  readonly copies: string;
}

export function productPage({ book, user, details, reviews, copies }: ProductPage): string {
  return layout(
    user,
    `<div class="container">
  <h3 class="text-center text-primary">${escapeHtml(book.title)}</h3>
  <p>Summary: ${book.descriptionHtml}</p>
</div>
<div class="container columns">
  <div>
${details.status === 200 ? detailsList(details.body as Record<string, unknown>, copies) : failure('details', details.body)}
  </div>
  <div>
${reviews.status === 200 ? reviewsList(reviews.body as ReviewsBody) : failure('reviews', reviews.body)}
  </div>
</div>`,
  );
}

export function indexPage(): string {
  return layout(
    '',
    `<div class="container">
  <h3>Hello! This is a simple bookstore application consisting of three services as shown below</h3>
  <pre>productpage
├── details
└── reviews
    └── ratings</pre>
  <p><a href="productpage">Normal user</a></p>
</div>`,
  );
}

interface ReviewsBody {
  readonly podname: string;
  readonly clustername: string;
  readonly reviews: readonly Review[];
}

function detailsList(details: Record<string, unknown>, copies: string): string {
  const rows = [
    ['Type', 'type'],
    ['Pages', 'pages'],
    ['Publisher', 'publisher'],
    ['Language', 'language'],
    ['ISBN-10', 'ISBN-10'],
    ['ISBN-13', 'ISBN-13'],
  ];
  return `    <h4 class="text-center text-primary">Book Details</h4>
    <dl>
${rows.map(([title, key]) => `      <dt>${title}:</dt><dd>${escapeHtml(details[key])}</dd>`).join('\n')}${copies === '' ? '' : `\n      <dt>In stock:</dt><dd>${escapeHtml(copies)}</dd>`}
    </dl>`;
}

function reviewsList({ podname, clustername, reviews }: ReviewsBody): string {
  const cluster = clustername === 'null' ? '' : `\n    <dt>on cluster:</dt><dd><u>${escapeHtml(clustername)}</u></dd>`;
  return `    <h4 class="text-center text-primary">Book Reviews</h4>
${reviews.map(blockquote).join('\n')}
    <dl class="served"><dt>Reviews served by:</dt><dd><u>${escapeHtml(podname)}</u></dd>${cluster}</dl>`;
}

function blockquote({ reviewer, text, rating }: Review): string {
  return `    <blockquote>
      <p>${escapeHtml(text)}</p>
      <small>${escapeHtml(reviewer)}</small>${rating === undefined ? '' : `\n${stars(rating)}`}
    </blockquote>`;
}

function stars({ stars: count, color, error }: NonNullable<Review['rating']>): string {
  if (count === undefined) return `      <p><i>${escapeHtml(error)}</i></p>`;
  const full = Math.max(0, Math.min(5, Math.trunc(count)));
  return `      <font color="${escapeHtml(color)}">
        <!-- full stars: -->
        ${'<span class="glyphicon glyphicon-star"></span>'.repeat(full)}
        <!-- empty stars: -->
        ${'<span class="glyphicon glyphicon-star-empty"></span>'.repeat(5 - full)}
      </font>`;
}

function failure(what: string, body: unknown): string {
  return `    <h4 class="text-center text-primary">Error fetching product ${what}!</h4>
    <p>${escapeHtml((body as { error?: unknown }).error)}</p>`;
}

function layout(user: string, content: string): string {
  const account =
    user === ''
      ? `<form method="post" action="login" name="login_form">
    <input name="username" placeholder="User Name" required><input name="passwd" type="password" placeholder="Password">
    <button type="submit">Sign in</button>
  </form>`
      : `<span>${escapeHtml(user)} (<a href="logout">sign out</a>)</span>`;
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1.0">
<title>Simple Bookstore App</title>
<link rel="stylesheet" href="static/bookinfo.css">
</head>
<body>
<nav class="navbar">
  <a class="navbar-brand" href="productpage">BookInfo Sample</a>
  ${account}
</nav>
${content}
</body>
</html>
`;
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

function escapeHtml(value: unknown): string {
  return String(value ?? '').replace(/[&<>"']/g, (char) => ENTITIES[char]);
}

export const STYLES = `body { margin: 0; font: 16px/1.5 system-ui, sans-serif; color: #222; }
a, .text-primary { color: #2563a8; }
.navbar { display: flex; justify-content: space-between; align-items: center; padding: .6rem 1.5rem; background: #222; color: #ddd; }
.navbar a { color: #fff; text-decoration: none; }
.navbar input { margin-right: .4rem; padding: .2rem .4rem; }
.container { max-width: 64rem; margin: 1.5rem auto; padding: 0 1.5rem; }
.columns { display: grid; grid-template-columns: 1fr 1fr; gap: 2rem; }
.text-center { text-align: center; }
h3 { font-size: 1.6rem; }
h4 { font-size: 1.2rem; }
dt { font-weight: 600; }
dd { margin: 0 0 .4rem; }
blockquote { margin: 0 0 1rem; padding: .2rem 0 .2rem 1rem; border-left: 4px solid #ddd; }
blockquote small { display: block; color: #666; }
blockquote small::before { content: "— "; }
.glyphicon { font-size: 1.3rem; }
.glyphicon-star::before { content: "★"; }
.glyphicon-star-empty::before { content: "☆"; }
@media (max-width: 40rem) { .columns { grid-template-columns: 1fr; } }
`;
