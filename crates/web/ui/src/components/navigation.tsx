// The list of pages: beside the page, or in a menu where there is no room for that.
import { useTexts } from '../i18n';
import { pages } from '../pages/pages';
import { Mark } from './icons';
import styles from './navigation.module.css';
import { usePlace } from './place';

export function Brand() {
  const { to } = usePlace();
  return <a className={styles.brand} href={to('/')} aria-label="Heartline"><Mark /><span>Heartline</span></a>;
}

export function Navigation({ onGo }: { onGo?: () => void }) {
  const { t } = useTexts();
  const { page: current, to } = usePlace();
  return (
    <ul className={styles.pages}>
      {pages.map(({ key, path, go, icon: Icon }) => (
        <li key={key}>
          <a
            href={to(path)} title={`${t(`page.${key}`)} (g ${go})`} aria-label={t(`page.${key}`)} onClick={onGo}
            aria-current={path === current ? 'page' : undefined}
          >
            <Icon /><span>{t(`page.${key}`)}</span>
          </a>
        </li>
      ))}
    </ul>
  );
}
