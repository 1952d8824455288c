/** One page on, one page back. */
import { number } from '../format';

interface PagerProps {
  /** From 0. */
  page: number;
  hasMore: boolean;
  onPage: (page: number) => void;
}

export function Pager({ page, hasMore, onPage }: PagerProps) {
  return (
    <div class="row pager">
      <button disabled={page === 0} onClick={() => onPage(page - 1)}>
        Newer
      </button>
      <span role="status">Page {number(page + 1)}</span>
      <button disabled={!hasMore} onClick={() => onPage(page + 1)}>
        Older
      </button>
    </div>
  );
}
