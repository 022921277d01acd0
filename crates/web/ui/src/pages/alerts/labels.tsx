// Labels as people write them.
import { visible } from '../../lib/text';
import styles from './labels.module.css';

export const Labels = ({ labels }: { labels: Record<string, string> }) => (
  <>
    {Object.entries(labels).map(([name, value]) => (
      <span key={name} className={styles.label}><bdi>{visible(name)}</bdi>=<bdi>{visible(value)}</bdi></span>
    ))}
  </>
);
